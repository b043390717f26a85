//! caller-auth: who may call.
