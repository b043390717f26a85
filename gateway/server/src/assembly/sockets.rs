//! The sockets of all listeners: bound at start, or inherited from the previous process.
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use kyc_listener::BoundSocket;

use crate::assembly::start_error::StartError;
use crate::config::{AdminSettings, Listener, Place};
use crate::lifecycle::handover::{Handover, InheritedSockets};

/// One socket for each listener.
pub(crate) struct Sockets {
    /// The sockets of the listeners, in their order.
    pub(crate) listeners: Vec<BoundSocket>,
    /// The socket of probes and metrics.
    pub(crate) admin: BoundSocket,
    /// The socket of operations, if they have their own address.
    pub(crate) operations: Option<BoundSocket>,
}

// === impl Sockets ===

impl Sockets {
    /// Takes the inherited sockets, and binds the others.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] for the first one that cannot be bound.
    pub(crate) fn bind(
        inherited: &mut InheritedSockets,
        listeners: &[Listener],
        admin: &AdminSettings,
    ) -> Result<Self, StartError> {
        let sockets = listeners.iter().map(|listener| bind(inherited, &listener.name, listener.address));
        let listeners = sockets.collect::<Result<Vec<_>, _>>()?;
        let operations = match &admin.operations {
            Place::At(address, _) => Some(bind(inherited, OPERATIONS, *address)?),
            Place::Off | Place::WithProbes => None,
        };
        Ok(Self { listeners, admin: bind(inherited, ADMIN, admin.address)?, operations })
    }

    /// Prepares the handover of all sockets to a new process.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] for a socket whose descriptor cannot be duplicated.
    pub(crate) fn handover(
        &self,
        program: io::Result<PathBuf>,
        listeners: &[Listener],
        has_single_use_login: bool,
    ) -> Result<Handover, StartError> {
        let mut handover = Handover::new(program);
        if has_single_use_login {
            handover
                .forbid("the wrapped secret id is already used, so a new process could not log in to Vault");
        }
        let names = listeners.iter().map(|listener| listener.name.as_str());
        let own = self.operations.iter().map(|socket| (OPERATIONS, socket));
        for (name, socket) in names.zip(&self.listeners).chain([(ADMIN, &self.admin)]).chain(own) {
            handover.add(name, socket.as_std()).map_err(|source| StartError::Listen {
                name: name.to_owned(),
                address: socket.address(),
                source,
            })?;
        }
        Ok(handover)
    }
}

fn bind(
    inherited: &mut InheritedSockets,
    name: &str,
    address: SocketAddr,
) -> Result<BoundSocket, StartError> {
    let socket = match inherited.take(name, address) {
        Some(socket) => BoundSocket::inherit(socket),
        None => BoundSocket::bind(address),
    };
    let socket = socket.map_err(|source| StartError::Listen { name: name.to_owned(), address, source })?;
    tracing::info!(listener = name, address = %socket.address(), "listening");
    Ok(socket)
}

/// The names of the admin listeners.
const ADMIN: &str = "admin";
const OPERATIONS: &str = "operations";
