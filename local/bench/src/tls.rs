use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::{Ticketer, default_provider};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A new self-signed certificate for this machine's loopback address, as files in a folder.
pub struct Certificate(TempDir);

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

impl Certificate {
    pub fn new() -> anyhow::Result<Self> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join(CERTIFICATE), made.cert.pem())?;
        std::fs::write(folder.path().join(KEY), made.signing_key.serialize_pem())?;
        Ok(Self(folder))
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        acceptor(self.folder())
    }

    /// The environment variables that make a program trust the certificate, and no other.
    pub fn trust(&self) -> anyhow::Result<[(&'static str, String); 2]> {
        let file = self.folder().join(CERTIFICATE);
        let file = file.to_str().context("the path of the certificate is no text")?;
        // The first one is for rustls and Go, the second one for boto3.
        Ok(["SSL_CERT_FILE", "AWS_CA_BUNDLE"].map(|name| (name, file.to_owned())))
    }
}

/// Accepts TLS 1.2 and 1.3 with the certificate in a folder. Clients may resume their sessions with tickets.
pub fn acceptor(folder: &Path) -> anyhow::Result<TlsAcceptor> {
    let certificate = CertificateDer::from_pem_file(folder.join(CERTIFICATE))?;
    let key = PrivateKeyDer::from_pem_file(folder.join(KEY))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.ticketer = Ticketer::new()?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
