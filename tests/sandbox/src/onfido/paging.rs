//! Lists in pages, with `Link` and `X-Total-Count`.

use std::collections::HashMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::HeaderName;
use http::header::LINK;
use serde_json::{Value, json};

/// Returns one page of `items`, in an object under `name`; `url` is the absolute URL of the list.
pub(super) fn page(name: &str, url: &str, items: &[Value], query: &HashMap<String, String>) -> Response {
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<usize>().ok()).filter(|n| *n > 0);
    let per_page = number("per_page").unwrap_or(PER_PAGE).min(LARGEST_PAGE);
    let page = number("page").unwrap_or(1);
    let last = items.len().div_ceil(per_page).max(1);
    let shown: Vec<&Value> = items.iter().skip((page - 1).saturating_mul(per_page)).take(per_page).collect();
    let others: String = query
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "page" | "per_page"))
        .map(|(key, value)| format!("&{key}={value}"))
        .collect();
    let link =
        |page, relation| format!("<{url}?page={page}&per_page={per_page}{others}>; rel=\"{relation}\"");
    let mut links = Vec::new();
    if page < last {
        links.push(link(page + 1, "next"));
        links.push(link(last, "last"));
    }
    if page > 1 {
        links.push(link(1, "first"));
        links.push(link(page - 1, "prev"));
    }
    let total = [(HeaderName::from_static("x-total-count"), items.len().to_string())];
    let body = Json(json!({ name: shown }));
    if links.is_empty() {
        (total, body).into_response()
    } else {
        (total, [(LINK, links.join(", "))], body).into_response()
    }
}

const PER_PAGE: usize = 20;
const LARGEST_PAGE: usize = 500;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::page;

    #[test]
    fn pages_link_to_the_next_and_previous_page() {
        let items: Vec<_> = (0..45).map(|number| json!(number)).collect();
        let row = |query: &[(&str, &str)]| {
            let query: HashMap<_, _> =
                query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let answer = page("items", "http://a/v3.6/items", &items, &query);
            assert_eq!(answer.headers()["x-total-count"], "45");
            answer.headers().get("link").map(|link| link.to_str().unwrap().to_owned())
        };

        let first = row(&[]).unwrap();
        let last = row(&[("page", "3"), ("applicant_id", "x")]).unwrap();
        let only = row(&[("per_page", "100")]);

        assert!(first.starts_with("<http://a/v3.6/items?page=2&per_page=20>; rel=\"next\""), "{first}");
        assert!(last.contains("?page=2&per_page=20&applicant_id=x>; rel=\"prev\""), "{last}");
        assert_eq!(only, None);
    }
}
