import Messages
import Testing

@testable import Privsep

@Suite("Filter")
struct FilterTests {
    @Test("the rules of each role are such that the library takes them", arguments: Role.children)
    func rules(_ role: Role) throws {
        let filter = try Filter()
        try filter.add(rulesOf: role)
    }

    @Test("so are those of accounts-reader whose source is a server, which it may connect to")
    func rulesOfConnecting() throws {
        let filter = try Filter()
        try filter.add(rulesOf: .accountsReader, connects: true)
        #expect(SystemCalls.connecting == ["connect"])
        #expect(Set(SystemCalls.ofDrivers).isDisjoint(with: SystemCalls.socketAttempts))
    }

    @Test("a call that this machine does not know is passed over")
    func unknown() throws {
        let filter = try Filter()
        try filter.add(.allow, "no_such_call_at_all")
    }

    @Test("no role may start a program, trace another, or reach for what only root has")
    func never() {
        let forbidden = [
            "execve", "execveat", "fork", "vfork", "clone3", "ptrace", "process_vm_readv",
            "process_vm_writev", "pidfd_getfd", "kill", "mount", "umount2", "pivot_root", "chroot",
            "setns", "unshare", "bpf", "perf_event_open", "init_module", "finit_module",
            "kexec_load",
            "reboot", "setuid", "setgid", "setgroups", "setresuid", "setresgid", "capset", "keyctl",
            "io_uring_setup", "userfaultfd", "symlink", "link", "mknod", "clock_settime",
        ]
        for role in Role.children {
            let allowed = Set(SystemCalls.allowed(role))
            #expect(allowed.isDisjoint(with: forbidden), "\(role)")
        }
    }

    @Test("a role without files opens none, and one without a firewall opens no socket")
    func reach() {
        for role in Role.children where !SystemCalls.usesFiles(role) {
            #expect(Set(SystemCalls.allowed(role)).isDisjoint(with: SystemCalls.fileAttempts))
        }
        for role in Role.children {
            let allowed = Set(SystemCalls.allowed(role))
            #expect(allowed.isDisjoint(with: SystemCalls.socketAttempts + ["socket", "sendto"]))
        }
        #expect(Role.children.filter(SystemCalls.usesNetfilter) == [.banner])
    }
}
