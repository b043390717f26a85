//! The control: Pingora with nothing but one header injected.

use async_trait::async_trait;
use pingora::http::RequestHeader;
use pingora::prelude::{HttpPeer, Opt, Result};
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;

struct Bare {
    upstream: std::net::SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _context: &mut ()) -> Result<Box<HttpPeer>> {
        #[expect(clippy::disallowed_methods, reason = "given an address, it resolves nothing")]
        let peer = HttpPeer::new(self.upstream, false, String::new());
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        _context: &mut (),
    ) -> Result<()> {
        head.insert_header("Authorization", "Token token=bench-token")?;
        Ok(())
    }
}

/// `LISTEN UPSTREAM` on the command line; serves until it is killed.
pub(crate) fn run() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(Ok(upstream))) = (arguments.next(), arguments.next().map(|text| text.parse()))
    else {
        return std::process::ExitCode::FAILURE;
    };
    let conf = ServerConf { threads: 1, grace_period_seconds: Some(0), ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None::<Opt>, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    service.add_tcp(&listen);
    server.add_service(service);
    server.run_forever()
}
