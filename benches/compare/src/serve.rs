//! The command line and the server of contenders on Pingora.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use kyc_harness::certificates::install_crypto_provider;
use pingora::apps::ServerApp;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::{HttpPeer, Opt};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::services::listening::Service;

use crate::job::Job;

/// `LISTEN UPSTREAM LOG [CERTIFICATES]`; with the folder of certificates there is TLS on both sides.
struct Arguments {
    listen: String,
    upstream: SocketAddr,
    log: PathBuf,
    certificates: Option<String>,
}

// === impl Arguments ===

impl Arguments {
    fn read() -> Option<Self> {
        let mut arguments = std::env::args().skip(1);
        Some(Self {
            listen: arguments.next()?,
            upstream: arguments.next()?.parse().ok()?,
            log: arguments.next()?.into(),
            certificates: arguments.next(),
        })
    }

    fn peer(&self) -> HttpPeer {
        #[expect(clippy::disallowed_methods, reason = "given an address, it resolves nothing")]
        HttpPeer::new(self.upstream, self.certificates.is_some(), "gateway.test".to_owned())
    }
}

/// Serves on one thread until the process is killed.
pub(crate) fn run<A, M>(conf: ServerConf, make: M) -> ExitCode
where
    A: ServerApp + Send + Sync + 'static,
    M: FnOnce(&Arc<ServerConf>, HttpPeer, Job) -> Service<A>,
{
    let Some(arguments) = Arguments::read() else { return ExitCode::FAILURE };
    match serve(&arguments, conf, make) {
        Ok(never) => match never {},
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve<A, M>(arguments: &Arguments, conf: ServerConf, make: M) -> io::Result<std::convert::Infallible>
where
    A: ServerApp + Send + Sync + 'static,
    M: FnOnce(&Arc<ServerConf>, HttpPeer, Job) -> Service<A>,
{
    install_crypto_provider();
    let job = Job::start(&arguments.log)?;
    let ca_file = arguments.certificates.as_ref().map(|folder| format!("{folder}/authority.pem"));
    let conf = ServerConf { threads: 1, grace_period_seconds: Some(0), ca_file, ..conf };
    let mut server = Server::new_with_opt_and_conf(None::<Opt>, conf);
    server.bootstrap();
    let mut service = make(&server.configuration, arguments.peer(), job);
    match &arguments.certificates {
        Some(folder) => {
            let files = [format!("{folder}/certificate.pem"), format!("{folder}/key.pem")];
            let [certificate, key] = &files;
            let mut tls = TlsSettings::intermediate(certificate, key).map_err(io::Error::other)?;
            tls.enable_h2();
            service.add_tls_with_settings(&arguments.listen, None, tls);
        }
        None => service.add_tcp(&arguments.listen),
    }
    server.add_service(service);
    server.run_forever()
}
