//! A simulated Onfido and a simulated FintechOS portal.
//!
//! Both listen on 127.0.0.1 and record their requests in journals. A test waits for an entry instead of sleeping, so that it is
//! neither slow nor dependent on timing:
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
