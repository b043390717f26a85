//! The reverse proxy: the loop of one exchange, and the rooms around it.
//!
//! | module | answers |
//! |---|---|
//! | `proxy` | the way of one request and its answer, from top to bottom |
//! | `downstream` | how many connections there are, and how their bytes look |
//! | `strict` | whether a request has only one reading |
//! | `route`, `chain` | which plugins a request meets, in which phase |
//! | `body`, `buffers` | how a request body is read whole, and how much memory that may take |
//! | `upstream` | what goes to an upstream, and at which address |
//! | `retry` | whether an upstream is tried again |
//! | `rescue` | what a problem looks like to the caller |

mod admission;
mod answer;
mod arrival;
mod body;
mod buffers;
mod chain;
mod downstream;
mod exchange;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod head_end;
mod io;
mod outcome;
mod proxy;
mod rescue;
mod retry;
mod route;
mod settings;
mod spans;
mod strict;
mod upstream;
mod write;

pub use chain::Chains;
pub use downstream::{Entry, Guarded, head_is_whole};
pub use proxy::{ProtocolOptions, Proxy};
pub use route::{Route, RouteMatch, RouteTable, RouteTableError};
pub use settings::ProxySettings;
pub use upstream::Guards;
