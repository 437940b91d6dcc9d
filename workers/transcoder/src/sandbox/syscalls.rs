//! The system call wall: a seccomp filter that answers "permission denied" to everything that could reach a network, another
//! process or the kernel's riskier corners. A deny list, because ffmpeg builds differ in the harmless calls they make.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Calls that are refused. io_uring is here because it opens sockets without the socket call.
const DENIED: [libc::c_long; 32] = [
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_pivot_root,
];

/// The x32 numbers of x86-64: the same calls under another name, which a filter on plain numbers would let through.
#[cfg(target_arch = "x86_64")]
const ALIASES: &[i64] = &[0x4000_0000];
#[cfg(not(target_arch = "x86_64"))]
const ALIASES: &[i64] = &[];

/// Installs the filter on the calling thread (and sets `no_new_privs`, which it needs).
pub(super) fn deny() -> Result<(), String> {
    let program = program().map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

fn program() -> Result<BpfProgram, seccompiler::BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut rules = BTreeMap::new();
    for number in DENIED {
        // c_long is 64 bits on every target seccompiler knows.
        #[allow(clippy::useless_conversion)]
        let number = i64::from(number);
        rules.insert(number, vec![]);
        for alias in ALIASES {
            rules.insert(number | alias, vec![]);
        }
    }
    let refused = SeccompAction::Errno(libc::EACCES as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()
}
