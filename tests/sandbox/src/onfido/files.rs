//! Documents and live photos. Uploads are counted and not stored, and downloads can have any size, so that neither needs memory.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Multipart, Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::{Value, json};

use super::account::Resources;
use super::collection::{Collection, merge};
use super::extractors::{Authenticated, Parameters};
use super::ids::new_id;
use super::problem::Problem;
use super::shared::Shared;
use crate::time;

/// A kind of file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Documents,
    LivePhotos,
}

// === impl Kind ===

impl Kind {
    pub(super) fn collection(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::LivePhotos => "live_photos",
        }
    }

    fn files(self, resources: &mut Resources) -> &mut Collection {
        match self {
            Self::Documents => &mut resources.documents,
            Self::LivePhotos => &mut resources.live_photos,
        }
    }

    pub(super) async fn upload(
        self,
        State(shared): State<Arc<Shared>>,
        Authenticated(account): Authenticated,
        mut parts: Multipart,
    ) -> Result<Response, Problem> {
        let mut members = json!({});
        let mut file = None;
        while let Some(mut part) = parts.next_field().await.map_err(|_| Problem::BadRequest)? {
            let name = part.name().unwrap_or_default().to_owned();
            if name != "file" {
                let text = part.text().await.map_err(|_| Problem::BadRequest)?;
                merge(&mut members, &json!({ name: text }));
                continue;
            }
            let (file_name, content_type) =
                (part.file_name().map(str::to_owned), part.content_type().map(str::to_owned));
            let mut size = 0;
            while let Some(chunk) = part.chunk().await.map_err(|_| Problem::BadRequest)? {
                size += chunk.len();
            }
            file = Some(json!({"file_name": file_name, "file_type": content_type, "file_size": size}));
        }
        let file = file.ok_or(Problem::Invalid("file"))?;
        let id = new_id();
        let href = shared.href(self.collection(), &id);
        let mut stored = json!({
            "id": id,
            "created_at": time::now(),
            "href": href,
            "download_href": format!("{href}/download"),
        });
        merge(&mut stored, &members);
        merge(&mut stored, &file);
        self.files(&mut account.resources()).put(&id, stored.clone());
        Ok((StatusCode::CREATED, Json(stored)).into_response())
    }

    pub(super) async fn list(
        self,
        Authenticated(account): Authenticated,
        Query(query): Query<Parameters>,
    ) -> Json<Value> {
        let all = self.files(&mut account.resources()).list("applicant_id", query.get("applicant_id"));
        Json(json!({ self.collection(): all }))
    }

    pub(super) async fn show(
        self,
        Authenticated(account): Authenticated,
        Path(id): Path<String>,
    ) -> Result<Json<Value>, Problem> {
        self.files(&mut account.resources()).find(&id).cloned().map(Json).ok_or(Problem::NotFound)
    }

    /// Returns as many bytes as were uploaded, or as `?size=` requests, which also works for files that were not uploaded.
    pub(super) async fn download(
        self,
        Authenticated(account): Authenticated,
        Path(id): Path<String>,
        Query(query): Query<Parameters>,
    ) -> Result<Response, Problem> {
        let stored = self.files(&mut account.resources()).find(&id).cloned();
        let member = |name: &str| stored.as_ref().and_then(|stored| stored.get(name)).cloned();
        let asked = query.get("size").and_then(|size| size.parse().ok());
        let size =
            asked.or_else(|| member("file_size").and_then(|size| size.as_u64())).ok_or(Problem::NotFound)?;
        let text = |name: &str| member(name).and_then(|value| value.as_str().map(str::to_owned));
        let content_type = text("file_type").unwrap_or_else(|| "image/png".to_owned());
        let disposition =
            format!("attachment; filename=\"{}\"", text("file_name").unwrap_or_else(|| "file".to_owned()));
        let headers = [
            (CONTENT_TYPE, content_type),
            (CONTENT_LENGTH, size.to_string()),
            (CONTENT_DISPOSITION, disposition),
        ];
        Ok((headers, pattern(size)).into_response())
    }
}

/// A body of `size` bytes with the pattern 0, 1, …, 255, 0, …
fn pattern(size: u64) -> Body {
    let block: Bytes = (0..=u8::MAX).cycle().take(BLOCK).collect();
    let (whole, rest) = (size / BLOCK as u64, size % BLOCK as u64);
    let last = block.slice(..usize::try_from(rest).unwrap_or_default());
    let blocks = (0..whole).map(move |_| block.clone()).chain(std::iter::once(last));
    Body::from_stream(futures::stream::iter(blocks.map(Ok::<_, std::convert::Infallible>)))
}

const BLOCK: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::pattern;

    #[tokio::test]
    async fn downloads_have_their_exact_size() {
        for size in [0, 1, 65_535, 65_536, 65_537, 200_000] {
            let body = to_bytes(pattern(size), usize::MAX).await.unwrap();

            assert_eq!(body.len() as u64, size);
            assert!(body.iter().zip((0..=u8::MAX).cycle()).all(|(byte, expected)| *byte == expected));
        }
    }
}
