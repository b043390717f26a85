//! Encrypts stored events again: with the current key, or for another customer.
//!
//! The encryption of an event is bound to its customer, so an event that is reassigned must be encrypted again, too.

use http::StatusCode;
use kyc_events::{
    Binding, Command, Customer, Effect, Filter, Keyring, Owner, Record, Reseal, Sealed, State, StoreError,
    now,
};

use super::pages::EventPages;
use super::parameters::{Refusal, filter, unavailable};
use crate::api::event_messages::{ChangeReport, ReassignEvents, RekeyEvents};

/// The new owner of an event that is encrypted again.
struct NewOwner {
    owner: Owner,
    /// The note for the event, if it is reassigned to another customer.
    reassigned: Option<String>,
}

impl EventPages {
    /// Encrypts all events of previous keys with the current key, so that the previous keys can be removed.
    pub(super) async fn rekey(&self, request: RekeyEvents) -> Result<ChangeReport, Refusal> {
        let keys = self.store().keyring().map_err(|error| unavailable(&error))?.key_ids();
        let current = keys.iter().take(1).copied().collect();
        let unknown = Filter { not_under: Some(keys.clone()), ..Filter::default() };
        let unknown_key =
            self.store().reader().await.count(&unknown).await.map_err(|error| unavailable(&error))?;
        let old = Filter { under: Some(keys), not_under: Some(current), ..Filter::default() };
        if request.dry_run {
            let events =
                self.store().reader().await.count(&old).await.map_err(|error| unavailable(&error))?;
            return Ok(ChangeReport::Planned { would_change: events, unknown_key });
        }
        let new_owner = |record: &Record| {
            let mut owner = record.owner.clone();
            if owner.customer.as_ref().is_some_and(|customer| !customer.subscription.is_empty()) {
                owner.binding = Binding::Customer;
            }
            Some(NewOwner { owner, reassigned: None })
        };
        let changed = self.reseal(&old, new_owner).await?;
        tracing::info!(action = "rekey", events = changed, "events changed by an operator");
        Ok(ChangeReport::Made { changed, unknown_key, held: None })
    }

    /// Reassigns undelivered events to another tenant of the document.
    pub(super) async fn reassign(&self, request: ReassignEvents) -> Result<ChangeReport, Refusal> {
        let bad = |text: &str| (StatusCode::BAD_REQUEST, text.to_owned());
        let ReassignEvents { selection, dry_run, to, reason } = request;
        if to.is_empty() {
            return Err(bad("to is missing: the name of the tenant that receives the events"));
        }
        if reason.trim().is_empty() {
            return Err(bad("reason is missing"));
        }
        if reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
            return Err(bad("reason must be one line of at most 500 characters"));
        }
        let mut filter = filter(selection)?;
        if filter.tenant.is_none() && filter.uid.is_none() {
            return Err(bad("tenant or uid is required: the events to reassign"));
        }
        let tenants = self.delivery.tenants().ok_or_else(|| unavailable(&StoreError::Unavailable))?;
        let tenant = tenants
            .by_name(&to)
            .ok_or_else(|| bad("the tenant document has no tenant with the name in to"))?;
        filter.until = Some(filter.until.map_or(now(), |until| until.min(now())));
        filter.state.get_or_insert(State::Parked);
        if filter.state == Some(State::Delivered) {
            return Err(bad("delivered events cannot be reassigned"));
        }
        let unknown_key = self.without_unknown_keys(&mut filter).await?;
        if dry_run {
            let events =
                self.store().reader().await.count(&filter).await.map_err(|error| unavailable(&error))?;
            return Ok(ChangeReport::Planned { would_change: events, unknown_key });
        }
        let customer = Customer::of(tenant);
        let note = format!("reassigned to {to}: {reason}");
        let new_owner = |record: &Record| {
            let customer = Some(customer.clone());
            let owner = Owner { tenant: record.owner.tenant.clone(), customer, binding: Binding::Customer };
            Some(NewOwner { owner, reassigned: Some(note.clone()) })
        };
        let changed = self.reseal(&filter, new_owner).await?;
        let from = filter.tenant.as_deref();
        tracing::warn!(
            action = "reassign",
            from,
            to,
            reason,
            events = changed,
            "events changed by an operator"
        );
        self.store().commit_queue().wake();
        Ok(ChangeReport::Made { changed, unknown_key, held: None })
    }

    /// Encrypts the events of a filter again, [`PAGE`] at a time, and returns their number.
    async fn reseal(
        &self,
        filter: &Filter,
        new_owner: impl Fn(&Record) -> Option<NewOwner>,
    ) -> Result<i64, Refusal> {
        let keyring = self.store().keyring().map_err(|error| unavailable(&error))?;
        let (mut after, mut changed) = (0, 0);
        loop {
            let page = self.store().reader().await.records(filter, after, PAGE).await;
            let page = page.map_err(|error| unavailable(&error))?;
            let Some(last) = page.last() else { return Ok(changed) };
            after = last.id;
            let changes: Vec<Reseal> =
                page.iter().filter_map(|record| resealed(keyring, record, new_owner(record)?)).collect();
            let events = i64::try_from(changes.len()).unwrap_or(i64::MAX);
            let done = self
                .store()
                .commit_queue()
                .submit(Command::Reseal(changes))
                .await
                .map_err(|error| unavailable(&error))?;
            changed += if done == Effect::Done { events } else { 0 };
        }
    }
}

/// Encrypts an event with the current key for its new owner; `None` for an event that cannot be decrypted.
fn resealed(keyring: &Keyring, record: &Record, new_owner: NewOwner) -> Option<Reseal> {
    let (uid, NewOwner { owner, reassigned }) = (record.listed.uid, new_owner);
    let body = keyring.open(uid, &record.owner, &record.body).ok()?;
    let answer = |sealed: &Sealed| {
        let opened = keyring.open_answer(uid, &record.owner, sealed).ok()?;
        Some((sealed.bytes.clone(), keyring.seal_answer(uid, &owner, &opened).ok()?))
    };
    Some(Reseal {
        id: record.id,
        before: record.body.bytes.clone(),
        body: keyring.seal(uid, &owner, &body).ok()?,
        answers: record.attempts.iter().filter_map(|one| answer(one.answer.as_ref()?)).collect(),
        owner,
        reassigned,
        now: now(),
    })
}

/// How many events are read and written at a time. One command changes them in one transaction.
const PAGE: usize = 200;
const MAX_REASON: usize = 500;
