//! A simulated Onfido and a simulated FintechOS portal.
//!
//! Everything listens on 127.0.0.1, records what it sees, and lets a test wait for an event instead of
//! sleeping:
//!
//! ```no_run
//! # use kyc_sandbox::onfido::{Onfido, Settings};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let onfido = Onfido::start(Settings::default()).await?;
//! onfido.add_account("acme", "api_sandbox.acme");
//! let call = onfido.requests().wait_for(|calls| calls.iter().find(|call| call.path == "/v3.6/checks").cloned());
//! println!("{}", call.await?.method);
//! # Ok(())
//! # }
//! ```

pub mod journal;
pub mod onfido;
pub mod portal;
mod serving;
pub mod signature;
pub mod strict;
pub mod tenants;
mod time;
