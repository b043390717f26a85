//! Implements Pingora's `IO` for types that wrap a `Stream`: delegates all traits except reading and writing.
//!
//! Both guarded streams need the same seven traits, because `Box<dyn IO>` requires all of them.

pub(crate) use async_trait::async_trait;
pub(crate) use pingora::protocols::raw_connect::ProxyDigest;
pub(crate) use pingora::protocols::tls::{SslDigest, TlsRef};
pub(crate) use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};

/// Delegates the traits of a stream, except reading and writing, to the field `inner`.
macro_rules! delegate_io {
    ($stream:ty) => {
        #[$crate::stream_wrapper::async_trait]
        impl $crate::stream_wrapper::Shutdown for $stream {
            async fn shutdown(&mut self) {
                self.inner.shutdown().await;
            }
        }

        impl $crate::stream_wrapper::UniqueID for $stream {
            fn id(&self) -> $crate::stream_wrapper::UniqueIDType {
                self.inner.id()
            }
        }

        impl $crate::stream_wrapper::Ssl for $stream {
            fn get_ssl(&self) -> Option<&$crate::stream_wrapper::TlsRef> {
                self.inner.get_ssl()
            }

            fn get_ssl_digest(&self) -> Option<std::sync::Arc<$crate::stream_wrapper::SslDigest>> {
                self.inner.get_ssl_digest()
            }

            fn selected_alpn_proto(&self) -> Option<$crate::stream_wrapper::ALPN> {
                self.inner.selected_alpn_proto()
            }
        }

        impl $crate::stream_wrapper::GetTimingDigest for $stream {
            fn get_timing_digest(&self) -> Vec<Option<$crate::stream_wrapper::TimingDigest>> {
                self.inner.get_timing_digest()
            }

            fn get_read_pending_time(&self) -> std::time::Duration {
                self.inner.get_read_pending_time()
            }

            fn get_write_pending_time(&self) -> std::time::Duration {
                self.inner.get_write_pending_time()
            }
        }

        impl $crate::stream_wrapper::GetProxyDigest for $stream {
            fn get_proxy_digest(&self) -> Option<std::sync::Arc<$crate::stream_wrapper::ProxyDigest>> {
                self.inner.get_proxy_digest()
            }
        }

        impl $crate::stream_wrapper::GetSocketDigest for $stream {
            fn get_socket_digest(&self) -> Option<std::sync::Arc<$crate::stream_wrapper::SocketDigest>> {
                self.inner.get_socket_digest()
            }
        }

        #[$crate::stream_wrapper::async_trait]
        impl $crate::stream_wrapper::Peek for $stream {
            async fn try_peek(&mut self, buffer: &mut [u8]) -> std::io::Result<bool> {
                self.inner.try_peek(buffer).await
            }
        }
    };
}

pub(crate) use delegate_io;
