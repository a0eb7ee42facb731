//! The secrets of a webhook: written to a file, replaced and ended (W2).

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{RevokeSecretRequest, RotateSecretRequest, Webhook};
use anyhow::{Context, bail};

use super::print_details;
use crate::cli::{RevokeSecret, RotateSecret};
use crate::operate::call::present;
use crate::operate::registry::{Registry, request};
use crate::output::complain;

/// A file for a secret that is shown once. It is made before the secret is, so that no secret is lost to a file that
/// cannot be made, and goes again if there is none in the end.
pub(in crate::operate) struct SecretFile {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl SecretFile {
    /// # Errors
    /// When there is such a file already, or it cannot be made.
    pub(in crate::operate) fn make(path: &Path) -> anyhow::Result<Self> {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let file = match made {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
                "{} exists, and may hold a secret that is nowhere else: move it away, or give another name",
                path.display()
            ),
            made => made.with_context(|| format!("cannot create {} for the secret", path.display()))?,
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            is_kept: false,
        })
    }

    /// Puts the document into it.
    ///
    /// # Errors
    /// When it cannot be written: then the secret is lost.
    fn keep(mut self, document: &str) -> anyhow::Result<()> {
        let mut write = || {
            writeln!(self.file, "{document}")?;
            self.file.sync_all()
        };
        write().with_context(|| {
            format!(
                "cannot write {}: the new secret is lost, make another one with `angarium webhook rotate-secret`",
                self.path.display()
            )
        })?;
        self.is_kept = true;
        complain(&format!("the secret is in {}", self.path.display()));
        Ok(())
    }
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nothing is in it that anyone could use.
            fs::remove_file(&self.path).ok();
        }
    }
}

/// Takes the secret out of an answer into the file, if there is one.
///
/// # Errors
/// When it cannot be written.
pub(in crate::operate) fn put_away(
    file: Option<SecretFile>,
    document: &str,
    webhook: &mut Webhook,
) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    file.keep(document)?;
    if let Some(Method::Signature(signature)) = method(webhook) {
        signature.secret.clear();
    }
    Ok(())
}

pub(super) async fn rotate(asked: RotateSecret) -> anyhow::Result<()> {
    let mut registry = Registry::at(&asked.at)?;
    let file = asked.secret_file.as_deref().map(SecretFile::make).transpose()?;
    let wanted = RotateSecretRequest {
        account_id: registry.accounts.id(asked.of.account.as_ref()).await?,
        id: asked.of.webhook,
        secret: asked.secret,
        overlap_seconds: Some(asked.overlap),
        revision: asked.revision,
    };
    let sent = registry.calls.rotate_secret(request(wanted)).await;
    let answer = registry.answer(sent)?;
    let mut webhook = present(answer.webhook)?;
    put_away(file, &answer.secret_json, &mut webhook)?;
    print_details(asked.at.reach.output, &webhook)
}

pub(super) async fn revoke(asked: RevokeSecret) -> anyhow::Result<()> {
    let mut registry = Registry::at(&asked.at)?;
    let wanted = RevokeSecretRequest {
        account_id: registry.accounts.id(asked.of.account.as_ref()).await?,
        id: asked.of.webhook,
        revision: asked.revision,
    };
    let sent = registry.calls.revoke_secret(request(wanted)).await;
    let webhook = present(registry.answer(sent)?.webhook)?;
    print_details(asked.at.reach.output, &webhook)
}

fn method(webhook: &mut Webhook) -> Option<&mut Method> {
    webhook.authentication.as_mut()?.method.as_mut()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use angarium_proto::registry::v1::{Authentication, Signature};

    use super::*;

    fn signing() -> Webhook {
        let signature = Signature {
            secret: "whsec_new".into(),
            ..Signature::default()
        };
        Webhook {
            authentication: Some(Authentication {
                method: Some(Method::Signature(signature)),
            }),
            ..Webhook::default()
        }
    }

    #[test]
    fn w2_a_secret_file_is_its_owners_alone_and_no_other_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.json");
        let mut webhook = signing();
        let file = SecretFile::make(&path).unwrap();
        put_away(Some(file), "{}", &mut webhook).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let Some(Method::Signature(signature)) = method(&mut webhook) else {
            panic!("it signs")
        };
        assert_eq!(signature.secret, "", "it is shown nowhere else");
        let told = SecretFile::make(&path).err().unwrap().to_string();
        assert!(told.contains("exists"), "{told}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n");
    }

    #[test]
    fn w2_a_secret_file_goes_again_when_there_is_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.json");
        drop(SecretFile::make(&path).unwrap());
        assert!(!path.exists());
    }
}
