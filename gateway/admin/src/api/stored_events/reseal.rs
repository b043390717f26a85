//! Stored events, sealed anew: with the current key, or for another customer.

use std::collections::BTreeMap;

use http::StatusCode;
use kyc_events::{
    Binding, Change, Customer, Effect, Filter, Keyring, Owner, Record, Reseal, Sealed, State, StoreError, now,
};
use serde_json::{Value, json};

use super::pages::EventPages;
use super::parameters::{Refusal, away, filter, flag};

/// What becomes of an event.
struct Anew {
    owner: Owner,
    /// Why it goes to another customer.
    reassigned: Option<String>,
}

impl EventPages {
    /// Seals all events with the current key that are sealed with a previous one, so that the previous one can go.
    pub(super) async fn rekey(&self, query: &mut BTreeMap<String, String>) -> Result<Value, Refusal> {
        let is_dry = flag(query, "dry_run")?;
        if !query.is_empty() {
            return Ok(Value::Null);
        }
        let keys = self.store().keyring().map_err(|error| away(&error))?.key_ids();
        let current = keys.iter().take(1).copied().collect();
        let unknown = Filter { not_under: Some(keys.clone()), ..Filter::default() };
        let unknown = self.store().reader().await.count(&unknown).await.map_err(|error| away(&error))?;
        let old = Filter { under: Some(keys), not_under: Some(current), ..Filter::default() };
        if is_dry {
            let events = self.store().reader().await.count(&old).await.map_err(|error| away(&error))?;
            return Ok(json!({ "would_change": events, "unknown_key": unknown }));
        }
        let anew = |record: &Record| {
            let mut owner = record.owner.clone();
            if owner.customer.as_ref().is_some_and(|customer| !customer.subscription.is_empty()) {
                owner.binding = Binding::Customer;
            }
            Some(Anew { owner, reassigned: None })
        };
        let changed = self.reseal(&old, anew).await?;
        tracing::info!(action = "rekey", events = changed, "events changed by an operator");
        Ok(json!({ "changed": changed, "unknown_key": unknown }))
    }

    /// Gives events that are not delivered to the customer of another entry of the tenant document.
    pub(super) async fn reassign(&self, query: &mut BTreeMap<String, String>) -> Result<Value, Refusal> {
        let bad = |text: &str| (StatusCode::BAD_REQUEST, text.to_owned());
        let to = query.remove("to").ok_or_else(|| bad("say to which tenant: to is missing"))?;
        let reason = query.remove("reason").filter(|reason| !reason.trim().is_empty());
        let reason = reason.ok_or_else(|| bad("say why: reason is missing"))?;
        if reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control) {
            return Err(bad("reason is one line of at most 500 characters"));
        }
        let is_dry = flag(query, "dry_run")?;
        let mut filter = filter(query)?;
        if filter.tenant.is_none() && filter.uid.is_none() {
            return Err(bad("say whose events: tenant or uid is missing"));
        }
        if !query.is_empty() {
            return Ok(Value::Null);
        }
        let tenants = self.delivery.tenants().ok_or_else(|| away(&StoreError::Away))?;
        let tenant = tenants.by_name(&to).ok_or_else(|| bad("to names no tenant of the document"))?;
        filter.until = Some(filter.until.map_or(now(), |until| until.min(now())));
        filter.state.get_or_insert(State::Parked);
        if filter.state == Some(State::Delivered) {
            return Err(bad("a delivered event stays where it is"));
        }
        let unknown = self.without_unknown_keys(&mut filter).await?;
        if is_dry {
            let events = self.store().reader().await.count(&filter).await.map_err(|error| away(&error))?;
            return Ok(json!({ "would_change": events, "unknown_key": unknown }));
        }
        let customer = Customer::of(tenant);
        let note = format!("reassigned to {to}: {reason}");
        let anew = |record: &Record| {
            let customer = Some(customer.clone());
            let owner = Owner { tenant: record.owner.tenant.clone(), customer, binding: Binding::Customer };
            Some(Anew { owner, reassigned: Some(note.clone()) })
        };
        let changed = self.reseal(&filter, anew).await?;
        let from = filter.tenant.as_deref();
        tracing::warn!(
            action = "reassign",
            from,
            to,
            reason,
            events = changed,
            "events changed by an operator"
        );
        self.store().inbox().wake();
        Ok(json!({ "changed": changed, "unknown_key": unknown }))
    }

    /// Seals the events of a filter anew, some at a time, and says how many.
    async fn reseal(
        &self,
        filter: &Filter,
        anew: impl Fn(&Record) -> Option<Anew>,
    ) -> Result<usize, Refusal> {
        let keyring = self.store().keyring().map_err(|error| away(&error))?;
        let (mut after, mut changed) = (0, 0);
        loop {
            let page = self.store().reader().await.records(filter, after, PAGE).await;
            let page = page.map_err(|error| away(&error))?;
            let Some(last) = page.last() else { return Ok(changed) };
            after = last.id;
            let resealed: Vec<Reseal> =
                page.iter().filter_map(|record| sealed_anew(keyring, record, anew(record)?)).collect();
            let events = resealed.len();
            let done =
                self.store().inbox().change(Change::Reseal(resealed)).await.map_err(|error| away(&error))?;
            changed += if done == Effect::Done { events } else { 0 };
        }
    }
}

/// An event under another key or for another customer; `None` for one that cannot be opened.
fn sealed_anew(keyring: &Keyring, record: &Record, anew: Anew) -> Option<Reseal> {
    let (uid, Anew { owner, reassigned }) = (record.listed.uid, anew);
    let body = keyring.open(uid, &record.owner, &record.body).ok()?;
    let answer = |sealed: &Sealed| {
        let opened = keyring.open_answer(uid, &record.owner, sealed).ok()?;
        Some((sealed.bytes.clone(), keyring.seal_answer(uid, &owner, &opened).ok()?))
    };
    Some(Reseal {
        id: record.id,
        before: record.body.bytes.clone(),
        body: keyring.seal(uid, &owner, &body).ok()?,
        answers: record.tries.iter().filter_map(|one| answer(one.answer.as_ref()?)).collect(),
        owner,
        reassigned,
        now: now(),
    })
}

/// Events that are sealed anew at a time.
const PAGE: usize = 200;
const LONGEST_REASON: usize = 500;
