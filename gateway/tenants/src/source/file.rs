//! The tenant document in a local file.

use std::path::PathBuf;

use async_trait::async_trait;

use kyc_model::Secret;

use super::{Source, SourceError};

/// Reads the document from a file, whole at each poll.
#[derive(Clone, Debug)]
pub struct FileSource {
    path: PathBuf,
}

// === impl FileSource ===

impl FileSource {
    /// Builds the source; only [`Source::read`] opens the file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

#[async_trait]
impl Source for FileSource {
    async fn read(&mut self) -> Result<Secret, SourceError> {
        match tokio::fs::read_to_string(&self.path).await {
            Ok(text) => Ok(Secret::new(text)),
            Err(source) => Err(SourceError::Unreadable { path: self.path.clone(), source }),
        }
    }

    fn describe(&self) -> String {
        format!("file {}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_read_returns_the_current_content_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tenants.json");
        let mut source = FileSource::new(&path);

        let absent = source.read().await;
        std::fs::write(&path, "one").unwrap();
        let first = source.read().await.unwrap();
        std::fs::write(&path, "two").unwrap();
        let second = source.read().await.unwrap();

        assert_eq!(absent.unwrap_err().to_string(), format!("cannot read {}", path.display()));
        assert_eq!((first.reveal(), second.reveal()), ("one", "two"));
    }
}
