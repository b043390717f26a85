//! Customers with their portals, and the tenant document that names them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kyc_sandbox::portal::{Account, Portal, Refuses, Settings};
use kyc_sandbox::tenants::{Entry, write};
use tokio::time::{Instant, sleep};

use super::clock::now_ms;
use crate::Failure;
use crate::notification::signing_token;

/// A customer: its number stays, whatever its tenant is called.
pub(super) struct Customer {
    /// As the document has it; none when the customer is gone.
    pub(super) entry: Option<Entry>,
    account: Account,
    port: u16,
    ledger: PathBuf,
    portal: Option<Portal>,
    /// The events that it refuses for themselves, wherever its portal is.
    refuses: Option<Refuses>,
}

/// What the load and the verdict have to know of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
pub(super) struct Known {
    /// The name of each customer now; none for one that is gone.
    pub(super) current: Vec<Option<String>>,
    /// When each customer's entry was changed last.
    pub(super) changed: Vec<u64>,
    /// Every name that a customer ever had, and since when.
    pub(super) history: Vec<(u64, usize, String)>,
    /// Customers with a fault under way.
    pub(super) faulty: Vec<usize>,
}

/// All customers.
pub(super) struct Customers {
    folder: PathBuf,
    pub(super) all: Vec<Customer>,
    pub(super) names: Names,
    renamed: usize,
}

// === impl Names ===

impl Names {
    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Known ===

impl Known {
    /// Whose name this was at some time.
    pub(super) fn customer(&self, name: &str, at: u64) -> Option<usize> {
        let has = |(since, _, other): &&(u64, usize, String)| other == name && *since <= at;
        self.history.iter().rev().find(has).map(|(_, customer, _)| *customer)
    }

    /// When a customer lost the name that it had at some time, if it did.
    pub(super) fn renamed(&self, customer: usize, after: u64) -> Option<u64> {
        let mut later = self.history.iter().filter(|(since, one, _)| *one == customer && *since > after);
        let is_gone = matches!(self.current.get(customer), Some(None));
        let gone = self.changed.get(customer).copied().filter(|at| is_gone && *at > after);
        later.next().map(|(since, ..)| *since).or(gone)
    }

    fn set(&mut self, customer: usize, name: Option<&str>) {
        let at = now_ms();
        if customer >= self.current.len() {
            self.current.resize(customer + 1, None);
            self.changed.resize(customer + 1, 0);
        }
        if let Some(current) = self.current.get_mut(customer) {
            *current = name.map(str::to_owned);
        }
        if let Some(changed) = self.changed.get_mut(customer) {
            *changed = at;
        }
        if let Some(name) = name {
            self.history.push((at, customer, name.to_owned()));
        }
    }
}

// === impl Customer ===

impl Customer {
    /// Its portal, while it is there.
    pub(super) fn portal(&self) -> Option<&Portal> {
        self.portal.as_ref()
    }

    /// Refuses single events from now on.
    pub(super) fn refuse(&mut self, refuses: Option<Refuses>) {
        self.refuses = refuses;
        if let Some(portal) = &self.portal {
            portal.refuse(self.refuses.clone());
        }
    }

    /// Breaks its connections, and refuses new ones.
    pub(super) fn stop_portal(&mut self) {
        self.portal = None;
    }

    /// Starts its portal where it was, with an account that may have changed.
    pub(super) async fn start_portal(&mut self) -> Result<(), Failure> {
        self.portal = None;
        let deadline = Instant::now() + PORT;
        loop {
            let settings = Settings {
                port: self.port,
                ledger: Some(self.ledger.clone()),
                keep: false,
                ..Settings::new(vec![self.account.clone()])
            };
            match Portal::start(settings).await {
                Ok(portal) => {
                    self.port = portal.address().port();
                    portal.refuse(self.refuses.clone());
                    self.portal = Some(portal);
                    return Ok(());
                }
                // A connection of somebody else has the port at the moment.
                Err(error) if Instant::now() > deadline => return Err(Failure::from(("a portal", error))),
                Err(_) => sleep(AGAIN).await,
            }
        }
    }

    /// Starts its portal at another port; the document does not know yet.
    pub(super) async fn move_portal(&mut self) -> Result<(), Failure> {
        self.port = 0;
        self.start_portal().await
    }

    /// Changes the account's password; the document does not know yet.
    pub(super) fn change_password(&mut self) {
        self.account.password.push('x');
    }
}

// === impl Customers ===

impl Customers {
    pub(super) async fn start(folder: &Path, count: usize) -> Result<Self, Failure> {
        let folder = folder.to_owned();
        let mut customers = Self { folder, all: Vec::new(), names: Names::default(), renamed: 0 };
        for _ in 0..count {
            let name = format!("tenant-{}", customers.all.len());
            customers.add(&name).await?;
        }
        customers.write()?;
        Ok(customers)
    }

    /// A new customer with a portal; the document is not written yet.
    pub(super) async fn add(&mut self, name: &str) -> Result<usize, Failure> {
        let number = self.all.len();
        let account = Account {
            // Whoever logs in with it is this customer, whatever it is called.
            tenant: format!("customer-{number}"),
            username: format!("user-{number}"),
            password: format!("password-{number}"),
            client_id: number.is_multiple_of(2).then(|| "client".to_owned()),
        };
        let mut customer = Customer {
            entry: None,
            port: 0,
            ledger: self.folder.join(format!("portal-{number}.jsonl")),
            portal: None,
            refuses: None,
            account,
        };
        customer.start_portal().await?;
        customer.entry = Some(Entry {
            name: name.to_owned(),
            subscription_id: format!("sub-{number}"),
            api_token: format!("token-{number}"),
            webhook_id: Some(format!("hook-{number}")),
            webhook_token: Some(signing_token(number)),
            ftos_client_id: customer.account.client_id.clone(),
            ftos_username: customer.account.username.clone(),
            ..Entry::default()
        });
        self.all.push(customer);
        self.names.lock().set(number, Some(name));
        self.update(number)?;
        Ok(number)
    }

    pub(super) fn customer(&mut self, number: usize) -> Result<&mut Customer, Failure> {
        self.all.get_mut(number).ok_or_else(|| Failure(format!("there is no customer {number}")))
    }

    /// Brings a customer's entry up to date with its portal; the document is not written yet.
    pub(super) fn update(&mut self, number: usize) -> Result<(), Failure> {
        let customer = self.customer(number)?;
        if let Some(entry) = &mut customer.entry {
            entry.ftos_endpoint = format!("http://127.0.0.1:{}/portal", customer.port);
            entry.ftos_password.clone_from(&customer.account.password);
        }
        Ok(())
    }

    /// A name that nobody had.
    pub(super) fn new_name(&mut self) -> String {
        self.renamed += 1;
        format!("renamed-{}", self.renamed)
    }

    /// Gives a customer another name, and says which it had; the document is not written yet.
    pub(super) fn rename(&mut self, number: usize, name: &str) -> Result<String, Failure> {
        let customer = self.customer(number)?;
        let entry = customer.entry.as_mut().ok_or_else(|| Failure("a customer is gone".to_owned()))?;
        let former = std::mem::replace(&mut entry.name, name.to_owned());
        self.names.lock().set(number, Some(name));
        Ok(former)
    }

    /// Takes a customer out of the document, and says what it was called.
    pub(super) fn remove(&mut self, number: usize) -> Result<String, Failure> {
        let entry = self.customer(number)?.entry.take();
        self.names.lock().set(number, None);
        entry.map(|entry| entry.name).ok_or_else(|| Failure("a customer is gone".to_owned()))
    }

    /// Writes the document.
    pub(super) fn write(&self) -> Result<(), Failure> {
        let entries: Vec<Entry> = self.all.iter().filter_map(|customer| customer.entry.clone()).collect();
        write(&self.folder.join("tenants.json"), "http://127.0.0.1:9/v3.6", &entries)?;
        Ok(())
    }

    /// What the portals have noted durably, by customer.
    pub(super) fn ledgers(&self) -> impl Iterator<Item = &Path> {
        self.all.iter().map(|customer| customer.ledger.as_path())
    }
}

const PORT: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(50);
