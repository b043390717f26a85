//! A relay on pingora-core alone: Pingora's server session, connector and client session, without its proxy.
//!
//! It is the least that a proxy on Pingora can cost, and no proxy to use: the request's body goes up before the response is
//! read, and there are no retries, timeouts, trailers or upgrades. The head of a response and the first piece of its body are
//! written together, which saves a system call and the caller a packet.

mod job;
mod serve;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mimalloc::MiMalloc;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::v1::Connector;
use pingora::prelude::{HttpPeer, Result};
use pingora::protocols::http::v1::client::HttpSession;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use pingora::services::listening::Service;

use crate::job::Job;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

struct Relay {
    connector: Connector,
    peer: HttpPeer,
    job: Job,
}

fn main() -> ExitCode {
    let conf = ServerConf { work_stealing: false, ..ServerConf::default() };
    serve::run(conf, |conf, peer, job| {
        let connector = Connector::new(Some(ConnectorOptions::from_server_conf(conf)));
        Service::new("relay".to_owned(), Relay { connector, peer, job })
    })
}

// === impl Relay ===

#[async_trait]
impl HttpServerApp for Relay {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !session.read_request().await.ok()? {
            return None;
        }
        session.set_keepalive(if *shutdown.borrow() { None } else { Some(KEEPALIVE_SECONDS) });
        if !self.job.knows(session.req_header()) {
            session.respond_error(401).await.ok()?;
            return None;
        }
        self.exchange(&mut session).await.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}

impl Relay {
    async fn exchange(&self, session: &mut ServerSession) -> Result<()> {
        let mut head = Box::new(session.req_header().clone());
        self.job.rewrite(&mut head)?;
        head.set_version(http::Version::HTTP_11);
        let (mut upstream, _reused) = self.connector.get_http_session(&self.peer).await?;
        upstream.write_request_header(head).await?;
        if !session.is_body_empty() {
            while let Some(piece) = session.read_request_body().await? {
                upstream.write_body(&piece).await?;
            }
            upstream.finish_body().await?;
        }
        let status = respond(session, &mut upstream).await?;
        self.job.log(session.req_header(), status);
        upstream.respect_keepalive();
        self.connector.release_http_session(upstream, &self.peer, Some(POOL_TIMEOUT)).await;
        Ok(())
    }
}

/// Writes the response of the upstream; returns its status.
async fn respond(session: &mut ServerSession, upstream: &mut HttpSession) -> Result<u16> {
    let head = upstream.read_resp_header_parts().await?;
    let status = head.status.as_u16();
    let first = upstream.read_body_bytes().await?;
    let is_whole = upstream.is_body_done() || first.is_none();
    let tasks = vec![HttpTask::Header(head, false), HttpTask::Body(first, is_whole)];
    session.response_duplex_vec(tasks).await?;
    if !is_whole {
        while let Some(piece) = upstream.read_body_bytes().await? {
            session.write_response_body(piece, false).await?;
        }
        session.write_response_body(Bytes::new(), true).await?;
    }
    Ok(status)
}

const KEEPALIVE_SECONDS: u64 = 60;
const POOL_TIMEOUT: Duration = Duration::from_secs(30);
