//! A document with versions, as Vault has it, whose answers can be lost.

use std::collections::VecDeque;

use super::*;
use crate::source::vault::VaultError;

/// What happens to a write.
#[derive(Clone, Copy)]
enum Fate {
    /// It is made, and answered.
    Made,
    /// It is made, and the answer is lost.
    Unanswered,
    /// It never arrives.
    Lost,
    /// It arrives when the next one was answered.
    Late,
    /// It is refused for certain.
    Refused,
}

/// A document with a version.
struct Scripted {
    document: String,
    version: u64,
    read: u64,
    fates: VecDeque<Fate>,
    late: Option<(u64, String)>,
    writes: usize,
    is_readable: bool,
}

// === impl Scripted ===

impl Scripted {
    fn new(fates: &[Fate]) -> Self {
        let fates = fates.iter().copied().collect();
        Self {
            document: "{}".to_owned(),
            version: 7,
            read: 0,
            fates,
            late: None,
            writes: 0,
            is_readable: true,
        }
    }

    fn write(&mut self, version: u64, document: String) -> Result<(), WriteError> {
        if version != self.version {
            return Err(WriteError::Conflict);
        }
        (self.document, self.version) = (document, version + 1);
        Ok(())
    }
}

#[async_trait]
impl Source for Scripted {
    async fn read(&mut self) -> Result<Secret, SourceError> {
        if !self.is_readable {
            return Err(unanswered());
        }
        self.read = self.version;
        Ok(Secret::new(self.document.clone()))
    }

    fn describe(&self) -> String {
        "scripted".to_owned()
    }
}

#[async_trait]
impl WritableSource for Scripted {
    async fn replace(&mut self, _before: &Secret, after: &Secret) -> Result<(), WriteError> {
        self.writes += 1;
        let (version, document) = (self.read, after.reveal().to_owned());
        match self.fates.pop_front().unwrap_or(Fate::Made) {
            Fate::Made => {
                let written = self.write(version, document);
                if let Some((version, late)) = self.late.take() {
                    assert!(self.write(version, late).is_err(), "the late write was made");
                }
                written
            }
            Fate::Unanswered => {
                self.write(version, document)?;
                Err(WriteError::Uncertain(unanswered()))
            }
            Fate::Lost => Err(WriteError::Uncertain(unanswered())),
            Fate::Late => {
                self.late = Some((version, document));
                Err(WriteError::Uncertain(unanswered()))
            }
            Fate::Refused => Err(SourceError::from(VaultError::Denied).into()),
        }
    }

    async fn prove_writable(&mut self, _current: &Secret) -> Result<(), WriteError> {
        Ok(())
    }
}

fn unanswered() -> SourceError {
    VaultError::Status { status: 504 }.into()
}

fn edit(_: &Secret) -> Result<Secret, WriteError> {
    Ok(Secret::new(AFTER.to_owned()))
}

#[tokio::test]
async fn write_whose_answer_is_lost_is_found_in_the_document() {
    let mut source = Scripted::new(&[Fate::Unanswered]);

    let changed = change(&mut source, edit).await;

    assert!(changed.is_ok(), "{changed:?}");
    assert_eq!((source.document.as_str(), source.version, source.writes), (AFTER, 8, 1));
}

#[tokio::test]
async fn write_that_did_not_arrive_is_repeated() {
    let mut source = Scripted::new(&[Fate::Lost]);

    let changed = change(&mut source, edit).await;

    assert!(changed.is_ok(), "{changed:?}");
    assert_eq!((source.document.as_str(), source.version, source.writes), (AFTER, 8, 2));
}

/// Otherwise the caller would delete a webhook whose entry is written afterwards.
#[tokio::test]
async fn write_that_arrives_late_is_refused_after_the_repeated_one() {
    let mut source = Scripted::new(&[Fate::Late]);

    let changed = change(&mut source, edit).await;

    assert!(changed.is_ok(), "{changed:?}");
    assert!(source.late.is_none(), "the late write was tried");
    assert_eq!((source.document.as_str(), source.version), (AFTER, 8));
}

#[tokio::test]
async fn write_without_any_answer_is_uncertain() {
    let mut source = Scripted::new(&[Fate::Lost; 3]);

    let error = change(&mut source, edit).await.unwrap_err();

    assert!(matches!(error, ChangeError::Write(WriteError::Uncertain(_))), "{error}");
    assert_eq!(source.writes, 3);
}

/// The first write may still arrive, whatever is known of the second one.
#[tokio::test]
async fn write_without_an_answer_stays_uncertain_when_the_repeated_one_is_refused() {
    let mut source = Scripted::new(&[Fate::Late, Fate::Refused]);

    let error = change(&mut source, edit).await.unwrap_err();

    assert!(matches!(error, ChangeError::Write(WriteError::Uncertain(_))), "{error}");
    assert_eq!(source.writes, 2);
}

#[tokio::test]
async fn write_without_an_answer_stays_uncertain_when_the_document_is_then_refused() {
    let mut source = Scripted::new(&[Fate::Late]);
    let mut edits = [Ok(Secret::new(AFTER.to_owned())), Err(WriteError::Number)].into_iter();

    let error = change(&mut source, |_| edits.next().unwrap()).await.unwrap_err();

    assert!(matches!(error, ChangeError::Write(WriteError::Uncertain(_))), "{error}");
}

#[tokio::test]
async fn document_that_cannot_be_read_is_not_written() {
    let mut source = Scripted { is_readable: false, ..Scripted::new(&[]) };

    let error = change(&mut source, edit).await.unwrap_err();

    assert!(matches!(error, ChangeError::Write(WriteError::Source(_))), "{error}");
    assert_eq!(source.writes, 0);
}

#[tokio::test]
async fn document_that_has_the_change_already_is_not_written() {
    let mut source = Scripted::new(&[]);

    let changed = change(&mut source, |before| Ok::<_, WriteError>(before.clone())).await;

    assert!(changed.is_ok(), "{changed:?}");
    assert_eq!(source.writes, 0);
}

const AFTER: &str = "{\"Onfido-ApiTokens\":\"[]\"}";
