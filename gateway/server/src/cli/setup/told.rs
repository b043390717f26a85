//! How the command says what happened to the webhook of a removed tenant.

use kyc_setup::{WebhookFate, WhyLeft};
use serde_json::{Value, json};

/// Returns what happened to the webhook, as text and as JSON.
pub(super) fn told(webhook: &WebhookFate) -> (String, Value) {
    match webhook {
        WebhookFate::Deleted(id) => {
            (format!("its webhook {id} is deleted"), json!({ "id": id, "state": "deleted" }))
        }
        WebhookFate::Left { id, reason } => (
            match reason {
                WhyLeft::Kept => format!(
                    "its webhook {id} is left at Onfido: delete it in Onfido's dashboard, if its URL is that of this gateway"
                ),
                WhyLeft::Foreign => {
                    format!("its webhook {id} is not this gateway's, so it was not deleted")
                }
            },
            json!({ "id": id, "state": "left", "reason": reason.text() }),
        ),
        WebhookFate::Absent(reason) => (
            format!("no webhook was deleted: {reason}"),
            json!({ "id": null, "state": "absent", "reason": reason }),
        ),
    }
}
