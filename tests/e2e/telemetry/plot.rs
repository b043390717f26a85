//! Draws the panels of the dashboard as a page with SVG, from what Prometheus answers: nothing here starts a Grafana.

use std::fmt::Write;

use serde_json::Value;

/// A panel, and the series of its queries: the legend of each with its points (seconds, value).
pub(super) struct Plot<'a> {
    pub(super) panel: &'a Value,
    pub(super) series: Vec<(String, Vec<(f64, f64)>)>,
}

/// The series of one query, from an answer of `query_range`.
pub(super) fn series(legend: &str, answer: &Value) -> Vec<(String, Vec<(f64, f64)>)> {
    let results = answer["result"].as_array().unwrap().iter();
    let named = results.map(|result| {
        let labels = result["metric"].as_object().unwrap();
        let name = labels.iter().fold(legend.to_owned(), |name, (label, value)| {
            name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap())
        });
        let values = result["values"].as_array().unwrap().iter();
        let values =
            values.map(|pair| (pair[0].as_f64().unwrap(), pair[1].as_str().unwrap().parse().unwrap()));
        (name, values.collect())
    });
    named.collect()
}

/// The page.
pub(super) fn page(plots: &[Plot<'_>]) -> String {
    let mut page =
        "<!doctype html><meta charset=\"utf-8\"><title>kyc-gateway</title><style>body{font:13px sans-serif;\
                    display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:12px}h3{margin:0}</style>\n"
            .to_owned();
    for plot in plots {
        let unit = plot.panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap_or("short");
        let _ = write!(page, "<section><h3>{}</h3>", plot.panel["title"].as_str().unwrap());
        page.push_str(&drawing(&plot.series, unit));
        for ((name, points), color) in plot.series.iter().zip(COLORS.iter().cycle()) {
            let last = points.last().map_or(f64::NAN, |point| point.1);
            let _ = write!(page, "<div style=\"color:{color}\">■ {name}: {}</div>", with_unit(last, unit));
        }
        page.push_str("</section>\n");
    }
    page
}

fn drawing(series: &[(String, Vec<(f64, f64)>)], unit: &str) -> String {
    let points = || series.iter().flat_map(|(_, points)| points).filter(|(_, value)| value.is_finite());
    if points().next().is_none() {
        return "<div>no data</div>".to_owned();
    }
    let [begin, end] = [
        points().map(|point| point.0).fold(f64::MAX, f64::min),
        points().map(|point| point.0).fold(0.0, f64::max),
    ];
    let top = points().map(|point| point.1).fold(0.0, f64::max);
    let top = if top == 0.0 { 1.0 } else { top };
    let mut text =
        format!("<div>{}</div><svg viewBox=\"0 0 300 100\" style=\"background:#eee\">", with_unit(top, unit));
    for ((_, points), color) in series.iter().zip(COLORS.iter().cycle()) {
        let place = |(at, value): &(f64, f64)| {
            format!("{:.1},{:.1} ", 300.0 * (at - begin) / (end - begin).max(1.0), 98.0 - 96.0 * value / top)
        };
        let line: String = points.iter().filter(|point| point.1.is_finite()).map(place).collect();
        let _ = write!(
            text,
            "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\" points=\"{line}\"/>"
        );
    }
    text.push_str("</svg>");
    text
}

fn with_unit(value: f64, unit: &str) -> String {
    match unit {
        "percentunit" => format!("{:.2} %", 100.0 * value),
        "s" if value < 1.0 => format!("{:.1} ms", 1000.0 * value),
        "s" => format!("{value:.1} s"),
        "bytes" => format!("{:.1} MiB", value / 1024.0 / 1024.0),
        "short" => format!("{value}"),
        other => format!("{value:.2} {other}"),
    }
}

const COLORS: [&str; 6] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf"];
