// How long whoever starts a process waits for a word of it.
package import Messages
package import Sys

extension Role {
    /// From one heartbeat of the process to the next at most, before it counts as one that hangs.
    ///
    /// Without sip-router nobody is served, and it waits for nothing: with its start it is replaced within
    /// 3 s. tls-terminator may have a turn full of handshakes to compute, and its end cuts every TLS phone.
    /// accounts-reader waits for whoever has the accounts, 500 ms for a lock and some seconds for a slow disk or
    /// server; what it hangs for may have ended for its successor. directory has it replaced sooner while it asks
    /// something. directory and banner wait for the disk and for the kernel's firewall, for which their
    /// successors would wait as well; calls go on meanwhile.
    package var heartbeatLimit: Milliseconds {
        switch self {
        case .router, .supervisor: Milliseconds(2500)
        case .terminator: .seconds(5)
        case .directory, .banner: .seconds(10)
        case .accountsReader: .seconds(15)
        }
    }
}
