//! How a command reaches a broker: as whom, and whom it trusts.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::decode::live::visitor;
use crate::config::{Broker, BrokerUrl, Credentials, Tls};

/// Arguments of commands that may need more than a broker's URL.
#[derive(Debug, clap::Args)]
pub(super) struct Login {
    /// User name
    #[arg(long, value_name = "NAME")]
    pub(super) username: Option<String>,
    /// File that holds the password
    #[arg(long, value_name = "FILE", requires = "username")]
    pub(super) password_file: Option<PathBuf>,
    /// PEM file of the authorities to trust, for mqtts
    #[arg(long, value_name = "FILE")]
    pub(super) ca_file: Option<PathBuf>,
    /// PEM file of our own certificate, for mqtts
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub(super) cert_file: Option<PathBuf>,
    /// PEM file of its private key
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    pub(super) key_file: Option<PathBuf>,
}

impl Login {
    /// The broker at `url`, for a client that leaves nothing behind on it.
    ///
    /// # Errors
    /// When the URL is none, or a file cannot be used.
    pub(super) fn broker(&self, url: &str) -> anyhow::Result<Broker> {
        let url: BrokerUrl = url.parse()?;
        let tls = match (url.tls, &self.ca_file) {
            (true, Some(file)) => Some(Tls {
                ca: certificates(file)?,
                client: self.certificate()?,
            }),
            (true, None) => bail!("mqtts needs --ca-file: the authorities to trust"),
            (false, None) if self.cert_file.is_none() => None,
            (false, _) => bail!("certificates have no effect without TLS: write mqtts://"),
        };
        Ok(Broker {
            credentials: self.credentials()?,
            tls,
            ..visitor(url)
        })
    }

    fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        let Some(username) = &self.username else {
            return Ok(None);
        };
        let password = self.password_file.as_deref().map(read).transpose()?;
        let password =
            String::from_utf8(password.unwrap_or_default()).context("the password is not UTF-8")?;
        Ok(Some(Credentials {
            username: username.clone(),
            password: password.trim_end_matches(['\r', '\n']).to_owned(),
        }))
    }

    fn certificate(&self) -> anyhow::Result<Option<(Vec<u8>, Vec<u8>)>> {
        let (Some(cert), Some(key)) = (&self.cert_file, &self.key_file) else {
            return Ok(None);
        };
        let pem = read(key)?;
        ensure!(
            PrivateKeyDer::from_pem_slice(&pem).is_ok(),
            "{} holds no PEM private key",
            key.display()
        );
        Ok(Some((certificates(cert)?, pem)))
    }
}

fn certificates(path: &Path) -> anyhow::Result<Vec<u8>> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    ensure!(
        found.is_ok_and(|found| !found.is_empty()),
        "{} holds no PEM certificate",
        path.display()
    );
    Ok(pem)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
