internal import Glibc
internal import Journal
internal import Messages
internal import Sys

/// The one place where a changing command leaves its record, with its asker.
///
/// A component answers what is handed on to it, and records what came of it itself.
extension Supervisor {
    /// Records a request that changes something; `refusal` is why it was not carried out, nil when it goes on.
    func record(_ request: ControlRequest, of asker: Asker, refusal: String?) {
        guard request.changes else { return }
        let outcome = refusal.map { ": refused, \($0)" } ?? ""
        journal.write(
            .commanded, refusal == nil ? .notice : .warning,
            "\(asker.name) asked: \(request.command)\(outcome)",
            asker.fields + [(.command, request.command)] + request.object)
    }

    /// Records a signal that changes something; nothing of one that the kernel sent.
    func record(_ signal: String, _ command: String, of asker: Asker?) {
        guard let asker else { return }
        journal.write(
            .commanded, .notice,
            "\(asker.name) sent \(signal) from process \(asker.pid): \(command)",
            asker.fields + [(.command, command), (.pid, "\(asker.pid)")])
    }

    /// Why a request is not carried out now, for the caller's eyes; nil when it is.
    func refusal(of request: ControlRequest, to asker: Asker) -> String? {
        guard ControlSocket.mayAsk(request, uid: asker.uid, ownUID: geteuid()) else {
            return "only root may do this: try again with sudo"
        }
        guard !isStopping else { return "the daemon is stopping" }
        switch request {
        case .status: return nil
        case .restart(.supervisor):
            return "the supervisor does not restart itself: systemctl restart rempart"
        case .restart: return children.isEmpty ? "the daemon is starting, try again" : nil
        case .reload:
            return configuration != nil && reload == nil
                ? nil : "the settings are being read already, try again"
        default:
            let role = request.answeredBy
            let isServing = children.first { $0.role == role }?.life.isServing ?? false
            return isServing ? nil : "\(role.name) is not running, try again"
        }
    }
}

extension ControlRequest {
    /// The field that names what a changing request is about.
    fileprivate var object: [(Field, String)] {
        switch self {
        case .ban(let address, _, _): [(.address, "\(address)")]
        case .unban(let address): [(.address, address.map { "\($0)" } ?? "all")]
        case .allow(let network, _): [(.address, "\(network)")]
        case .restart(let role): [(.component, role.name)]
        case .endCall(let callID): [(.callID, callID)]
        case .release(let account): [(.account, account)]
        case .status, .certificates, .asterisks, .phones, .bans, .reload, .why, .explain,
            .explainAccount, .calls, .copyBindings, .accounts, .account:
            []
        }
    }
}
