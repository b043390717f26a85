use super::*;
use crate::plugin;

/// Defines a plugin that implements only one hook.
macro_rules! with_hook {
    ($name:ident { $($hook:tt)* }) => {
        struct $name;

        #[plugin]
        #[async_trait]
        impl Plugin for $name { $($hook)* }
    };
}

with_hook!(WithNone {});
with_hook!(WithRequest {
    fn request_filter(&self, _: &RequestHeader, _: &mut Ctx) -> Result<Flow> {
        Ok(Flow::Next)
    }
});
with_hook!(WithRequestBody {
    async fn request_body_filter(&self, _: &RequestHeader, _: &mut Bytes, _: &mut Ctx) -> Result<Flow> {
        Ok(Flow::Next)
    }
});
with_hook!(WithUpstreamRequest {
    fn upstream_request_filter(&self, _: &mut RequestHeader, _: &mut Ctx) -> Result<()> {
        Ok(())
    }
});
with_hook!(WithResponse {
    fn response_filter(&self, _: &mut ResponseHeader, _: &RequestHeader, _: &mut Ctx) -> Result<()> {
        Ok(())
    }
});
with_hook!(WithResponseBody {
    fn response_body_filter(&self, _: &mut Option<Bytes>, _: bool, _: &mut Ctx) -> Result<()> {
        Ok(())
    }
});
with_hook!(WithBufferedResponse {
    async fn buffered_response_filter(&self, _: &Bytes, _: &mut Ctx) {}
});
with_hook!(WithLogging {
    fn logging(&self, _: &Outcome, _: &Ctx) {}
});
with_hook!(WithTwo {
    fn role(&self) -> Role {
        // Neither a call of a hook nor a function inside of a method implements one.
        fn response_filter() -> Role {
            Role::Other
        }
        response_filter()
    }

    #[inline]
    fn request_filter(&self, _: &RequestHeader, _: &mut Ctx) -> Result<Flow> {
        Ok(Flow::Next)
    }

    fn logging(&self, _: &Outcome, _: &Ctx) {}
});

#[test]
fn only_implemented_hooks_are_declared() {
    let rows: [(&dyn Plugin, Phases); 9] = [
        (&WithNone, Phases::NONE),
        (&WithRequest, Phases::REQUEST),
        (&WithRequestBody, Phases::REQUEST_BODY),
        (&WithUpstreamRequest, Phases::UPSTREAM_REQUEST),
        (&WithResponse, Phases::RESPONSE),
        (&WithResponseBody, Phases::RESPONSE_BODY),
        (&WithBufferedResponse, Phases::BUFFERED_RESPONSE),
        (&WithLogging, Phases::LOGGING),
        (&WithTwo, Phases::REQUEST | Phases::LOGGING),
    ];

    for (place, (plugin, expected)) in rows.into_iter().enumerate() {
        assert_eq!(plugin.phases(), expected, "row {place}");
    }
}
