//! Stored events, sealed anew: with the current key, or for another customer.

use http::StatusCode;
use kyc_events::{
    Binding, Command, Customer, Effect, Filter, Keyring, Owner, Record, Reseal, Sealed, State, StoreError,
    now,
};

use super::pages::EventPages;
use super::parameters::{Refusal, away, filter};
use crate::api::event_messages::{ChangeReport, ReassignEvents, RekeyEvents};

/// What becomes of an event.
struct Anew {
    owner: Owner,
    /// Why it goes to another customer.
    reassigned: Option<String>,
}

impl EventPages {
    /// Seals all events with the current key that are sealed with a previous one, so that the previous one can go.
    pub(super) async fn rekey(&self, request: RekeyEvents) -> Result<ChangeReport, Refusal> {
        let keys = self.store().keyring().map_err(|error| away(&error))?.key_ids();
        let current = keys.iter().take(1).copied().collect();
        let unknown = Filter { not_under: Some(keys.clone()), ..Filter::default() };
        let unknown_key = self.store().reader().await.count(&unknown).await.map_err(|error| away(&error))?;
        let old = Filter { under: Some(keys), not_under: Some(current), ..Filter::default() };
        if request.dry_run {
            let events = self.store().reader().await.count(&old).await.map_err(|error| away(&error))?;
            return Ok(ChangeReport::Planned { would_change: events, unknown_key });
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
        Ok(ChangeReport::Made { changed, unknown_key, held: None })
    }

    /// Gives events that are not delivered to the customer of another entry of the tenant document.
    pub(super) async fn reassign(&self, request: ReassignEvents) -> Result<ChangeReport, Refusal> {
        let bad = |text: &str| (StatusCode::BAD_REQUEST, text.to_owned());
        let ReassignEvents { selection, dry_run, to, reason } = request;
        if to.is_empty() {
            return Err(bad("say to which tenant: to is missing"));
        }
        if reason.trim().is_empty() {
            return Err(bad("say why: reason is missing"));
        }
        if reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control) {
            return Err(bad("reason is one line of at most 500 characters"));
        }
        let mut filter = filter(selection)?;
        if filter.tenant.is_none() && filter.uid.is_none() {
            return Err(bad("say whose events: tenant or uid is missing"));
        }
        let tenants = self.delivery.tenants().ok_or_else(|| away(&StoreError::Unavailable))?;
        let tenant = tenants.by_name(&to).ok_or_else(|| bad("to names no tenant of the document"))?;
        filter.until = Some(filter.until.map_or(now(), |until| until.min(now())));
        filter.state.get_or_insert(State::Parked);
        if filter.state == Some(State::Delivered) {
            return Err(bad("a delivered event stays where it is"));
        }
        let unknown_key = self.without_unknown_keys(&mut filter).await?;
        if dry_run {
            let events = self.store().reader().await.count(&filter).await.map_err(|error| away(&error))?;
            return Ok(ChangeReport::Planned { would_change: events, unknown_key });
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
        self.store().commit_queue().wake();
        Ok(ChangeReport::Made { changed, unknown_key, held: None })
    }

    /// Seals the events of a filter anew, some at a time, and says how many.
    async fn reseal(&self, filter: &Filter, anew: impl Fn(&Record) -> Option<Anew>) -> Result<i64, Refusal> {
        let keyring = self.store().keyring().map_err(|error| away(&error))?;
        let (mut after, mut changed) = (0, 0);
        loop {
            let page = self.store().reader().await.records(filter, after, PAGE).await;
            let page = page.map_err(|error| away(&error))?;
            let Some(last) = page.last() else { return Ok(changed) };
            after = last.id;
            let resealed: Vec<Reseal> =
                page.iter().filter_map(|record| sealed_anew(keyring, record, anew(record)?)).collect();
            let events = i64::try_from(resealed.len()).unwrap_or(i64::MAX);
            let done = self
                .store()
                .commit_queue()
                .submit(Command::Reseal(resealed))
                .await
                .map_err(|error| away(&error))?;
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
        answers: record.attempts.iter().filter_map(|one| answer(one.answer.as_ref()?)).collect(),
        owner,
        reassigned,
        now: now(),
    })
}

/// Events that are sealed anew at a time.
const PAGE: usize = 200;
const LONGEST_REASON: usize = 500;
