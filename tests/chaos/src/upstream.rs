//! An upstream of a few lines, for tests that need a quick one.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::Failure;

/// What is answered to a request head; nothing breaks the connection.
pub(crate) type Answer = fn(&str) -> Option<Cow<'static, [u8]>>;

/// Answers each request with 200 and what `answer` makes of its head, so long `after` its body is there.
///
/// # Errors
///
/// No port is free.
pub(crate) async fn start(answer: Answer, after: Duration) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, answer, after));
        }
    });
    Ok(address)
}

/// The upstream of tests of load: a process of its own that takes no time from others.
///
/// # Errors
///
/// It cannot be started.
pub(crate) async fn start_apart() -> Result<(Child, SocketAddr), Failure> {
    let own = std::env::current_exe()?;
    let mut child = nice(&own).arg("upstream").stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut line = String::new();
    if let Some(said) = child.stdout.take() {
        BufReader::new(said).read_line(&mut line).await?;
    }
    let address = line.trim().parse().map_err(|_| Failure(format!("the upstream says `{line}`")))?;
    Ok((child, address))
}

/// Serves 4 MiB for each request, until it is killed.
///
/// # Errors
///
/// No port is free.
pub async fn run_apart() -> Result<(), Failure> {
    static LARGE: [u8; 4 << 20] = [b'x'; 4 << 20];
    let address = start(|_| Some(LARGE.as_slice().into()), Duration::ZERO).await?;
    let mut output = tokio::io::stdout();
    output.write_all(format!("{address}\n").as_bytes()).await?;
    output.flush().await?;
    std::future::pending().await
}

/// A program that runs when nothing else has to.
pub(crate) fn nice(program: &Path) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(program);
    command
}

async fn serve(mut stream: TcpStream, answer: Answer, after: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut seen = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = seen.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = seen.split_off(end + 4);
                break std::mem::replace(&mut seen, rest);
            }
            if stream.read_buf(&mut seen).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&head);
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = lengths.next().and_then(|(_, length)| length.parse().ok()).unwrap_or(0);
        while seen.len() < length {
            if stream.read_buf(&mut seen).await? == 0 {
                return Ok(());
            }
        }
        seen.drain(..length);
        if !after.is_zero() {
            sleep(after).await;
        }
        let Some(body) = answer(&head) else { return Ok(()) };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let (first, rest) = body.split_at(body.len().min(1024));
        stream.write_all(&[head.as_bytes(), first].concat()).await?;
        stream.write_all(rest).await?;
    }
}
