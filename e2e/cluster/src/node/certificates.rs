//! The cluster's certificate authority, a certificate for each part, and the kubeconfig files made from them.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::json;

use super::plan::Plan;
use crate::name::ClusterName;
use crate::paths::{self, Folders, PathError};

/// The certificates could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A key or certificate could not be generated.
    #[error("failed to generate the certificate of {0}: {1}")]
    Generate(&'static str, rcgen::Error),
    /// They could not be written.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A part that authenticates to the API server: file name, user and group.
const CLIENTS: [(&str, &str, Option<&str>); 5] = [
    ("admin", "admin", Some("system:masters")),
    ("kube-controller-manager", "system:kube-controller-manager", None),
    ("kube-scheduler", "system:kube-scheduler", None),
    ("kube-proxy", "system:kube-proxy", None),
    ("coredns", super::dns::USER, None),
];

/// Makes everything in the folder `pki` of the state, all at once or not at all; what is there stays.
pub(crate) fn ensure(name: &ClusterName, plan: &Plan, folders: &Folders) -> Result<(), CertificateError> {
    let (finished, partial) = (folders.state("pki"), folders.state("pki.partial"));
    if finished.exists() {
        return Ok(());
    }
    paths::remove(&partial)?;
    paths::make_folder(&partial)?;
    let authority = authority().map_err(|error| CertificateError::Generate("the authority", error))?;
    let authority_text = authority.pem();
    paths::write(&partial.join("ca.crt"), &authority_text)?;
    secret(&partial.join("ca.key"), &authority.key().serialize_pem())?;
    let generate = |error| CertificateError::Generate("service accounts", error);
    let accounts = KeyPair::generate().map_err(generate)?;
    secret(&partial.join("sa.key"), &accounts.serialize_pem())?;
    paths::write(&partial.join("sa.pub"), accounts.public_key_pem())?;

    let node_user = format!("system:node:{name}");
    let addresses = [plan.node(), plan.api_service(), Ipv4Addr::LOCALHOST];
    let names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"];
    let server = Subject { user: "kube-apiserver", group: None, names: &names, addresses: &addresses };
    let node_names = [name.as_str()];
    let kubelet =
        Subject { user: &node_user, group: Some("system:nodes"), names: &node_names, addresses: &[plan.node()] };
    for (file, subject) in [("kube-apiserver", server), ("kubelet", kubelet)] {
        let (certificate, key) = issue(&authority, file, &subject)?;
        paths::write(&partial.join(format!("{file}.crt")), &certificate)?;
        secret(&partial.join(format!("{file}.key")), &key)?;
        kubeconfig(&partial, file, name, plan, [&authority_text, &certificate, &key])?;
    }
    for (file, user, group) in CLIENTS {
        let (certificate, key) = issue(&authority, file, &Subject { user, group, names: &[], addresses: &[] })?;
        kubeconfig(&partial, file, name, plan, [&authority_text, &certificate, &key])?;
        if file == "admin" {
            paths::write(&partial.join("admin.crt"), &certificate)?;
            secret(&partial.join("admin.key"), &key)?;
        }
    }
    fs::rename(&partial, &finished).map_err(PathError::io("put in place", &finished))?;
    Ok(())
}

struct Subject<'a> {
    user: &'a str,
    group: Option<&'a str>,
    names: &'a [&'a str],
    addresses: &'a [Ipv4Addr],
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "videocloud local cluster");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

/// A certificate for both ends of a connection, and its key, both as PEM.
fn issue(
    authority: &CertifiedIssuer<'_, KeyPair>,
    part: &'static str,
    subject: &Subject<'_>,
) -> Result<(String, String), CertificateError> {
    let make = || {
        let names: Vec<_> = subject.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        let addresses = subject.addresses.iter().map(|address| SanType::IpAddress((*address).into()));
        params.subject_alt_names.extend(addresses);
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(group) = subject.group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.distinguished_name.push(DnType::CommonName, subject.user);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, authority)?;
        Ok((certificate.pem(), key.serialize_pem()))
    };
    make().map_err(|error| CertificateError::Generate(part, error))
}

/// Writes a kubeconfig that needs no other file.
fn kubeconfig(
    folder: &Path,
    file: &str,
    name: &ClusterName,
    plan: &Plan,
    [authority, certificate, key]: [&str; 3],
) -> Result<(), PathError> {
    let encode = |text: &str| BASE64_STANDARD.encode(text);
    let name = format!("videocloud-{name}");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "server": format!("https://{}:6443", plan.node()),
            "certificate-authority-data": encode(authority),
        }}],
        "users": [{"name": name, "user": {
            "client-certificate-data": encode(certificate),
            "client-key-data": encode(key),
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    });
    secret(&folder.join(format!("{file}.kubeconfig")), &format!("{config:#}\n"))
}

/// Writes a file that only its owner can read.
fn secret(path: &Path, text: &str) -> Result<(), PathError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let open = fs::File::options().write(true).create_new(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes())).map_err(PathError::io("write", path))
}
