//! System calls (seccomp(2)).
//!
//! What isn't allowed fails with `EPERM` rather than ending the process, so that a libc that tries something newer first
//! goes on with something older. Both lists are for x86-64 and 64-bit ARM, with glibc or musl. Where the list of what is
//! allowed can't be used, or isn't wanted, only what is dangerous is forbidden.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

use super::{Calls, Part};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Allows what is needed.
pub(super) fn restrict(calls: Calls) -> Part {
    let listed = match calls {
        Calls::All => return Part::Off,
        Calls::Listed => listed(),
        Calls::ButDangerous => Err("not wanted".to_owned()),
    };
    match (listed, calls) {
        (Ok(how), _) => Part::Full(how),
        (Err(_), Calls::ButDangerous | Calls::All) => but_dangerous().map_or_else(Part::Missing, Part::Full),
        // Better the few that matter most than none.
        (Err(why), Calls::Listed) => match but_dangerous() {
            Ok(how) => Part::Partial(format!("{how}, because the list can't be used: {why}")),
            Err(_) => Part::Missing(why),
        },
    }
}

fn listed() -> Result<String, String> {
    let mut rules = Rules::new();
    rules.extend(ALLOWED.iter().chain(legacy()).map(|call| (*call, Vec::new())));
    rules.insert(libc::SYS_clone, vec![flag_set(0, libc::CLONE_THREAD as u64)?]);
    rules.insert(
        libc::SYS_socket,
        ALLOWED_FAMILIES.iter().map(|family| argument(0, *family)).collect::<Result<_, _>>()?,
    );
    rules.insert(
        libc::SYS_ioctl,
        ALLOWED_IOCTLS.iter().map(|request| argument(1, *request)).collect::<Result<_, _>>()?,
    );
    rules.insert(
        libc::SYS_prctl,
        ALLOWED_PRCTLS.iter().map(|option| argument(0, *option)).collect::<Result<_, _>>()?,
    );
    // Its arguments are in memory, where no filter sees them: libc makes threads by `clone` when this isn't there. The
    // stricter of two filters counts; the one that allows too little to install another comes last.
    rules.insert(libc::SYS_clone3, Vec::new());
    let unknown = [(libc::SYS_clone3, Vec::new())].into();
    install(unknown, Filter::HidesThese)?;
    install(rules, Filter::Allows)?;
    Ok("those that serving and asking take".to_owned())
}

fn but_dangerous() -> Result<String, String> {
    let mut rules = Rules::new();
    rules.extend(DANGEROUS.iter().map(|call| (*call, Vec::new())));
    install(rules, Filter::Forbids)?;
    Ok("all but dangerous ones".to_owned())
}

#[derive(Clone, Copy)]
enum Filter {
    Allows,
    Forbids,
    HidesThese,
}

fn install(rules: Rules, filter: Filter) -> Result<(), String> {
    let forbidden = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let (otherwise, these) = match filter {
        Filter::Allows => (forbidden, SeccompAction::Allow),
        Filter::Forbids => (SeccompAction::Allow, forbidden),
        Filter::HidesThese => (SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.unsigned_abs())),
    };
    let arch: TargetArch =
        std::env::consts::ARCH.try_into().map_err(|_| "not for this processor".to_owned())?;
    let filter = SeccompFilter::new(rules, otherwise, these, arch).map_err(|error| error.to_string())?;
    let program: BpfProgram =
        filter.try_into().map_err(|error: seccompiler::BackendError| error.to_string())?;
    apply_filter(&program).map_err(|error| error.to_string())
}

fn argument(place: u8, value: u64) -> Result<SeccompRule, String> {
    rule(place, SeccompCmpOp::Eq, value)
}

fn flag_set(place: u8, flag: u64) -> Result<SeccompRule, String> {
    rule(place, SeccompCmpOp::MaskedEq(flag), flag)
}

fn rule(place: u8, comparison: SeccompCmpOp, value: u64) -> Result<SeccompRule, String> {
    let condition = SeccompCondition::new(place, SeccompCmpArgLen::Dword, comparison, value);
    let rule = condition.and_then(|condition| SeccompRule::new(vec![condition]));
    rule.map_err(|error| error.to_string())
}

/// Local sockets, and those of the internet. No raw packets, no netlink.
const ALLOWED_FAMILIES: [u64; 3] = [libc::AF_UNIX as u64, libc::AF_INET as u64, libc::AF_INET6 as u64];

/// What runtimes ask of sockets and terminals: `FIONBIO`, `FIOCLEX`, `FIONREAD`, `TCGETS`, `TIOCGWINSZ`
/// (asm-generic/ioctls.h). Their types differ between libcs.
const ALLOWED_IOCTLS: [u64; 5] = [0x5421, 0x5451, 0x541b, 0x5401, 0x5413];

/// Names of threads and of memory: `PR_SET_NAME`, `PR_GET_NAME`, `PR_SET_VMA` (linux/prctl.h).
const ALLOWED_PRCTLS: [u64; 3] = [15, 16, 0x5356_4d41];

/// What serving and asking take.
const ALLOWED: &[i64] = &[
    // Memory.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_membarrier,
    // Threads, signals, the end.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_tgkill,
    libc::SYS_tkill,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // Time.
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_pipe2,
    // Descriptors and files; which ones is Landlock's business.
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
    // Sockets.
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_listen,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_socketpair,
    // Who this is, and where.
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getgroups,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrlimit,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_prlimit64,
    libc::SYS_sysinfo,
    libc::SYS_umask,
    libc::SYS_uname,
];

/// Calls that newer processors' systems don't have any more.
#[cfg(target_arch = "x86_64")]
fn legacy() -> &'static [i64] {
    &[
        libc::SYS_access,
        libc::SYS_arch_prctl,
        libc::SYS_chmod,
        libc::SYS_dup2,
        libc::SYS_epoll_wait,
        libc::SYS_lstat,
        libc::SYS_open,
        libc::SYS_pipe,
        libc::SYS_poll,
        libc::SYS_readlink,
        libc::SYS_rename,
        libc::SYS_select,
        libc::SYS_stat,
        libc::SYS_time,
        libc::SYS_unlink,
    ]
}

/// There are none here.
#[cfg(not(target_arch = "x86_64"))]
fn legacy() -> &'static [i64] {
    &[]
}

/// What nobody needs who serves and asks, and whoever breaks in would like to have.
const DANGEROUS: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mknodat,
    libc::SYS_mount,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_dangerous_is_on_the_list() {
        for call in ALLOWED.iter().chain(legacy()) {
            assert!(!DANGEROUS.contains(call), "{call}");
        }
    }

    #[test]
    fn no_call_is_listed_twice() {
        for list in [[ALLOWED, legacy()].concat(), DANGEROUS.to_vec()] {
            let mut once = list.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), list.len());
        }
    }
}
