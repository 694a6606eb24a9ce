// A filter of system calls around a component, as a container or a service manager may have one.
internal import CSeccomp
internal import Glibc

/// Calls that the process is refused from now on.
enum Forbidden {
    // SCMP_ACT_ALLOW and SCMP_ACT_ERRNO.
    private static let allow: UInt32 = 0x7FFF_0000
    private static let errno: UInt32 = 0x0005_0000
    // PR_SET_SECCOMP (linux/prctl.h).
    private static let setSeccomp: UInt64 = 22

    /// Has the calls of these names fail with an errno; a missing call fails with ENOSYS.
    static func add(_ names: [String], _ code: Int32) {
        unsafe load { context in
            for name in names {
                let number = unsafe seccomp_syscall_resolve_name(name)
                _ = unsafe seccomp_rule_add_array(context, errno | UInt32(code), number, 0, nil)
            }
        }
    }

    /// Has every further filter be refused.
    static func addFilters() {
        unsafe load { context in
            let forbidden = errno | UInt32(EPERM)
            let seccomp = unsafe seccomp_syscall_resolve_name("seccomp")
            _ = unsafe seccomp_rule_add_array(context, forbidden, seccomp, 0, nil)
            var option = scmp_arg_cmp(arg: 0, op: SCMP_CMP_EQ, datum_a: setSeccomp, datum_b: 0)
            let prctl = unsafe seccomp_syscall_resolve_name("prctl")
            _ = unsafe seccomp_rule_add_array(context, forbidden, prctl, 1, &option)
        }
    }

    private static func load(_ add: (scmp_filter_ctx) -> Void) {
        guard let context = unsafe seccomp_init(allow) else { exit(3) }
        unsafe add(context)
        guard unsafe seccomp_load(context) == 0 else { exit(3) }
        unsafe seccomp_release(context)
    }
}
