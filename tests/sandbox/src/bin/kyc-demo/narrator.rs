//! Prints each step of the demo, with the `curl` command that repeats it.
#![expect(clippy::print_stdout, reason = "the one room that writes to the terminal")]

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use crate::failure::Failure;

/// Prints and counts the steps.
#[derive(Debug, Default)]
pub(crate) struct Narrator {
    steps: usize,
    shown: Vec<String>,
}

/// A call with the command that repeats it.
#[derive(Debug)]
pub(crate) struct Call {
    title: String,
    curl: String,
    request: reqwest::RequestBuilder,
}

/// The response to a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

// === impl Narrator ===

impl Narrator {
    pub(crate) fn say(&self, text: &str) {
        println!("{text}");
    }

    /// Begins a step.
    pub(crate) fn step(&mut self, title: &str) {
        self.steps += 1;
        println!("\n{:2}. {title}", self.steps);
    }

    /// Prints a remark on the current step.
    pub(crate) fn note(&self, text: &str) {
        println!("    {text}");
    }

    /// Records what a part of the demo has shown, for the summary.
    pub(crate) fn shown(&mut self, what: &str) {
        self.shown.push(what.to_owned());
    }

    /// Prints the summary.
    pub(crate) fn summarize(&self, took: Duration) {
        println!("\nShown in {} steps and {:.1} s:\n", self.steps, took.as_secs_f64());
        self.shown.iter().for_each(|what| println!("  - {what}"));
    }

    /// Makes the call and prints it. Fails unless the response has the status `expected`.
    pub(crate) async fn call(&mut self, call: Call, expected: StatusCode) -> Result<Answer, Failure> {
        self.step(&call.title);
        self.note(&format!("$ {}", call.curl));
        let response = call.request.send().await?;
        let status = response.status();
        let answer = Answer { status, body: response.bytes().await? };
        self.note(&format!("{status}  {}", shorten(&answer.text())));
        if answer.status == expected {
            Ok(answer)
        } else {
            Err(Failure::new(format!("step {} should have been answered {expected}", self.steps)))
        }
    }
}

// === impl Call ===

impl Call {
    /// Prepares a call of `method` to `url`.
    pub(crate) fn new(title: &str, client: &reqwest::Client, method: &str, url: &str) -> Self {
        let post = client.request(method.parse().unwrap_or_default(), url);
        let method = if method == "GET" { String::new() } else { format!(" -X {method}") };
        Self { title: title.to_owned(), curl: format!("curl -s{method} '{url}'"), request: post }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.curl.push_str(&format!(" -H '{name}: {value}'"));
        self.request = self.request.header(name, value);
        self
    }

    /// Sets a JSON body; its bytes are sent unchanged.
    pub(crate) fn body(mut self, body: &str) -> Self {
        self = self.header("Content-Type", "application/json");
        self.curl.push_str(&format!(" -d '{body}'"));
        self.request = self.request.body(body.to_owned());
        self
    }

    /// Sets a form with a file. The file also exists on disk, so that the printed command works.
    pub(crate) fn form(mut self, fields: &[(&str, &str)], path: &str, file: Vec<u8>) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut form = reqwest::multipart::Form::new();
        for (field, value) in fields {
            self.curl.push_str(&format!(" -F {field}={value}"));
            form = form.text((*field).to_owned(), (*value).to_owned());
        }
        self.curl.push_str(&format!(" -F file=@{path}"));
        self.request = self.request.multipart(form.part("file", part(file, name)));
        self
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Result<Value, Failure> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// Returns a member that must be a string.
    pub(crate) fn member(&self, name: &str) -> Result<String, Failure> {
        let value = self.json()?;
        let text = value.get(name).and_then(Value::as_str);
        text.map(str::to_owned).ok_or_else(|| Failure::new(format!("the answer has no `{name}`")))
    }
}

fn part(file: Vec<u8>, name: String) -> reqwest::multipart::Part {
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("image/png"));
    reqwest::multipart::Part::bytes(file).file_name(name).headers(headers)
}

/// Shortens a text to one line.
fn shorten(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

const LONGEST: usize = 160;
