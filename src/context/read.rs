//! Reading a commit: `dploy.app` and `specs/*.json`, by trees and blobs. Blobs that are known are not fetched again,
//! so that going back needs no network.

use std::collections::BTreeMap;

use crate::descriptor::Descriptor;
use crate::event::{AppSettings, CommitInfo, SpecFile};
use crate::github::{Entry, GithubError};
use crate::history::Deploy;
use crate::id::{AppId, BlobId, CommitId};
use crate::sentence::Sentence;
use crate::spec::{File, Service, flatten};
use crate::store::StoreError;

use super::Context;

/// More specs than this are not one app.
const MOST_SPECS: usize = 500;

/// Larger files are no specs.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Of so many deploys may what still runs be.
const RECENT: i64 = 20;

/// A commit as it was read.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The descriptor and the spec files.
    pub files: Vec<SpecFile>,
    /// The settings in the descriptor.
    pub settings: AppSettings,
    /// The services.
    pub services: Vec<Service>,
}

/// Why a commit could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// GitHub does not give it.
    #[error(transparent)]
    Github(#[from] GithubError),
    /// It is there, and wrong.
    #[error("{0}")]
    Invalid(String),
    /// The log cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReadError {
    /// Whether waiting can help.
    #[must_use]
    pub fn waits(&self) -> Option<Sentence> {
        match self {
            Self::Github(GithubError::Refused(_)) | Self::Invalid(_) | Self::Store(_) => None,
            Self::Github(error) => Some(Sentence::new(error.code(), error.to_string())),
        }
    }
}

fn invalid(what: impl Into<String>) -> ReadError {
    ReadError::Invalid(what.into())
}

/// What somebody can do whose commit calls an app by another name.
#[must_use]
pub fn renamed(app: &AppId, name: &str) -> String {
    let name = crate::secret::plain(name, 80);
    format!(
        "dploy.app: app_name is {name:?}, and this app is {app}; an app keeps its name: put it back. To rename it for good: DELETE /apps/{app}?keep_services=true, \
         POST /apps with its repository and branch, POST /apps/{name}/adopt with {{\"from\": \"{app}\"}}, each with the operator token (Authorization: Bearer)"
    )
}

impl Context {
    /// The descriptor and the message of a commit, for an app that is about to be registered.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn descriptor(
        &self,
        repository: u64,
        commit: &CommitId,
    ) -> Result<(Descriptor, CommitInfo), ReadError> {
        let root = self.github.commit(repository, commit).await?;
        let entries = self.github.tree(repository, &root.tree).await?;
        let file = descriptor_file(&entries)?;
        let bytes = self.content(repository, &file.blob).await?;
        let descriptor = Descriptor::parse(&bytes).map_err(|e| invalid(e.to_string()))?;
        Ok((descriptor, root.info))
    }

    /// Which files a commit has, from GitHub; unknown contents are fetched and kept.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn list_commit(
        &self,
        repository: u64,
        commit: &CommitId,
    ) -> Result<Vec<SpecFile>, ReadError> {
        let root = self.github.commit(repository, commit).await?;
        let entries = self.github.tree(repository, &root.tree).await?;
        let mut files = vec![descriptor_file(&entries)?];
        let specs = entries
            .iter()
            .find(|e| e.path == "specs")
            .ok_or_else(|| invalid("specs/ is missing; put the Marathon specs of the app there"))?;
        if specs.mode != "040000" {
            return Err(invalid("specs must be a folder"));
        }
        let listed = self.github.tree(repository, &specs.sha).await?;
        for entry in listed
            .iter()
            // what links elsewhere may hold specs, and they would be missed
            .filter(|e| {
                e.path.to_ascii_lowercase().ends_with(".json")
                    || matches!(e.mode.as_str(), "120000" | "160000")
            })
        {
            files.push(plain_file("specs/", entry)?);
        }
        match files.len() - 1 {
            0 => {
                return Err(invalid(
                    "specs/ has no *.json file; put at least one Marathon spec there",
                ));
            }
            n if n > MOST_SPECS => {
                return Err(invalid(format!(
                    "specs/ has {n} files, more than {MOST_SPECS}; split the app"
                )));
            }
            _ => {}
        }
        for file in &files {
            self.content(repository, &file.blob).await?;
        }
        Ok(files)
    }

    /// The content of a blob: ours, else GitHub's, which is then kept.
    async fn content(&self, repository: u64, blob: &BlobId) -> Result<Vec<u8>, ReadError> {
        if let Some(bytes) = self.store.blob(blob).await? {
            return Ok(bytes);
        }
        let bytes = self.github.blob(repository, blob).await?;
        self.store
            .log()
            .keep_blobs(vec![(blob.clone(), bytes.clone())])
            .await?;
        Ok(bytes)
    }

    /// The commit that these files are, from what is stored.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn stored_commit(
        &self,
        app: &AppId,
        files: Vec<SpecFile>,
    ) -> Result<Commit, ReadError> {
        let mut specs = Vec::new();
        let mut settings = AppSettings::default();
        for file in &files {
            let bytes = self
                .store
                .blob(&file.blob)
                .await?
                .ok_or_else(|| invalid(format!("{} is not stored any more", file.path)))?;
            if file.path == "dploy.app" {
                settings = Self::settings(app, &bytes)?;
            } else {
                specs.push(File {
                    path: file.path.clone(),
                    bytes,
                });
            }
        }
        let services = flatten(&specs).map_err(|e| invalid(e.to_string()))?;
        if services.is_empty() {
            return Err(invalid("the specs name no app at all"));
        }
        for service in &services {
            self.learn_secrets(&service.spec);
        }
        Ok(Commit {
            files,
            settings,
            services,
        })
    }

    fn settings(app: &AppId, bytes: &[u8]) -> Result<AppSettings, ReadError> {
        let descriptor = Descriptor::parse(bytes).map_err(|e| invalid(e.to_string()))?;
        if descriptor.app_name != app.as_str() {
            return Err(invalid(renamed(app, &descriptor.app_name)));
        }
        Ok(AppSettings {
            prune: descriptor.prune,
            deadline: descriptor.deadline,
        })
    }

    /// The specs of a deploy: its own, or of the earlier one it goes back to.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn files_of(
        &self,
        app: &AppId,
        deploy: &Deploy,
        repository: u64,
    ) -> Result<Vec<SpecFile>, ReadError> {
        if let Some(files) = &deploy.files {
            return Ok(files.clone());
        }
        if let Some(earlier) = deploy.wanted.specs_of {
            let earlier = self.store.deploy(app, earlier).await?;
            if let Some(files) = earlier.and_then(|d| d.files) {
                return Ok(files);
            }
        }
        self.list_commit(repository, &deploy.wanted.commit).await
    }

    /// The secrets of an app stand in no event: a process that has just begun learns them from the stored specs, before
    /// it writes down anything that Marathon says.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) async fn learn_again(&self, app: &AppId) -> Result<(), StoreError> {
        let deploys = self.store.deploys(app, None, RECENT).await?;
        let files = deploys.into_iter().filter_map(|d| d.files).flatten();
        let files: BTreeMap<BlobId, String> = files.map(|f| (f.blob, f.path)).collect();
        for (blob, path) in files {
            let Some(bytes) = self.store.blob(&blob).await? else {
                continue;
            };
            for service in flatten(&[File { path, bytes }]).unwrap_or_default() {
                self.learn_secrets(&service.spec);
            }
        }
        Ok(())
    }

    /// Values that must not be seen outside of the stored specs.
    fn learn_secrets(&self, spec: &serde_json::Value) {
        let fields = ["env", "labels"].map(|field| spec.get(field).and_then(|f| f.as_object()));
        let redactor = self.store.log().redactor();
        let parameters = spec.pointer("/container/docker/parameters");
        for parameter in parameters.and_then(|p| p.as_array()).into_iter().flatten() {
            let text = parameter["value"].as_str().unwrap_or_default();
            if let Some(value) = crate::secret::secret_setting(text) {
                redactor.learn(value);
            }
        }
        for (name, value) in fields.into_iter().flatten().flatten() {
            let Some(value) = value.as_str() else {
                continue;
            };
            if crate::secret::looks_secret(name) {
                redactor.learn(value);
            } else if let Some(password) = crate::secret::password_in_url(value) {
                redactor.learn(value);
                redactor.learn(password);
            }
        }
    }
}

fn descriptor_file(entries: &[Entry]) -> Result<SpecFile, ReadError> {
    let entry = entries
        .iter()
        .find(|e| e.path == "dploy.app")
        .ok_or_else(|| {
            invalid("dploy.app is missing at the top of the repository; `dploy init` writes one")
        })?;
    plain_file("", entry)
}

fn plain_file(folder: &str, entry: &Entry) -> Result<SpecFile, ReadError> {
    let path = format!("{folder}{}", crate::secret::plain(&entry.path, 200));
    match entry.mode.as_str() {
        "100644" | "100755" => {}
        "120000" => {
            return Err(invalid(format!(
                "{path}:1:1: is a symbolic link; put the file itself there"
            )));
        }
        "160000" => {
            return Err(invalid(format!(
                "{path}:1:1: is a submodule; put the file itself there"
            )));
        }
        _ => return Err(invalid(format!("{path}:1:1: is not a plain file"))),
    }
    if entry.size.is_some_and(|s| s > LARGEST_FILE) {
        return Err(invalid(format!("{path}:1:1: is larger than 1 MiB")));
    }
    let blob = entry
        .sha
        .parse()
        .map_err(|e| invalid(format!("{path}:1:1: {e}")))?;
    Ok(SpecFile { path, blob })
}
