// libnftables, which speaks netlink to the kernel (libnftables(3)).
internal import CNftables
internal import Glibc
internal import Sys

/// The kernel's firewall of this network namespace.
///
/// The context and its netlink socket are made in this very process: a socket that root opened and
/// handed over would be refused after the change of user.
@safe
final class Nftables: Firewall {
    private let context: OpaquePointer?
    private let whyNot: String

    /// Opens the firewall; when that fails, each `run` says why.
    init() {
        // libnftables ends the process when it gets no netlink socket, so one is tried first.
        let socket = Glibc.socket(Self.netlink, Int32(SOCK_RAW.rawValue), Self.netfilter)
        guard socket >= 0 else {
            unsafe context = nil
            whyNot = SystemError("no netlink socket", code: errno).description
            return
        }
        close(socket)
        unsafe context = unsafe nft_ctx_new(UInt32(NFT_CTX_DEFAULT))
        whyNot = "libnftables has no memory"
        _ = unsafe nft_ctx_buffer_output(context)
        _ = unsafe nft_ctx_buffer_error(context)
    }

    deinit { unsafe nft_ctx_free(context) }

    // AF_NETLINK and NETLINK_NETFILTER (linux/netlink.h).
    private static var netlink: Int32 { 16 }
    private static var netfilter: Int32 { 12 }

    func run(_ commands: String) -> String? {
        guard let context = unsafe context else { return whyNot }
        let result = unsafe nft_run_cmd_from_buffer(context, commands)
        // Reading empties the buffers.
        _ = unsafe nft_ctx_get_output_buffer(context)
        let words = unsafe nft_ctx_get_error_buffer(context).map { unsafe String(cString: $0) }
        guard result != 0 else { return nil }
        // The first line says what failed; the others repeat the commands.
        let line = words?.split(separator: "\n").first.map(String.init) ?? ""
        return line.isEmpty ? "libnftables failed without a word" : line
    }
}
