//! Bare Pingora: its proxy with nothing but the job of each contender.

use std::process::ExitCode;

use async_trait::async_trait;
use pingora::http::RequestHeader;
use pingora::prelude::{Error, HttpPeer, Result};
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::configuration::ServerConf;

use crate::job::Job;
use crate::serve;

struct Bare {
    peer: HttpPeer,
    job: Job,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, _context: &mut ()) -> Result<bool> {
        if self.job.knows(session.req_header()) {
            return Ok(false);
        }
        session.respond_error(401).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _session: &mut Session, _context: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(self.peer.clone()))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        _context: &mut (),
    ) -> Result<()> {
        self.job.rewrite(head)
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, _context: &mut ()) {
        let status = session.response_written().map_or(0, |head| head.status.as_u16());
        self.job.log(session.req_header(), status);
    }
}

/// Serves until the process is killed.
pub(crate) fn run() -> ExitCode {
    serve::run(ServerConf::default(), |conf, peer, job| http_proxy_service(conf, Bare { peer, job }))
}
