//! What is measured.

mod bodies;
mod contract;
mod http2;
mod idle;
mod new_connections;
mod open_loop;
mod small;
mod started;

pub(crate) use contract::Scenario;

/// All scenarios, in the order in which they are run.
pub(crate) fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(small::Small::PLAIN),
        Box::new(small::Small::PLAIN_ONE_CORE),
        Box::new(small::Small::TLS),
        Box::new(small::Small::TENANTS),
        Box::new(started::Started::CHECKS),
        Box::new(started::Started::VERIFICATION),
        Box::new(http2::Http2),
        Box::new(new_connections::NewConnections),
        Box::new(bodies::Bodies::UPLOAD),
        Box::new(bodies::Bodies::DOWNLOAD),
        Box::new(open_loop::AtFixedRate),
        Box::new(idle::IdleConnections::PLAIN),
        Box::new(idle::IdleConnections::TLS),
    ]
}

/// The names of all scenarios.
pub(crate) fn names() -> Vec<&'static str> {
    all().iter().map(|scenario| scenario.name()).collect()
}
