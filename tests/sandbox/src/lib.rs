//! A simulated Onfido and a simulated FintechOS portal.
