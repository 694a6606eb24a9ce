internal import Sys

extension ControlRequest {
    /// The request as the command line has it, behind `rempart`; what others chose in it is as they wrote it.
    package var command: String {
        switch self {
        case .status, .asterisks, .certificates: "status"
        case .phones: "phones"
        case .bans: "bans"
        case .ban(let address, let span, let reason):
            "ban \(address)" + (span.count == 0 ? "" : " --for \(span.seconds)s")
                + " --reason \(reason)"
        case .unban(let address): "unban \(address.map { "\($0)" } ?? "all")"
        case .restart(let role): "restart \(role.name)"
        case .reload: "reload"
        case .why(let address): "why \(address)"
        case .allow(let network, let isAllowed): "allow \(isAllowed ? "" : "--remove ")\(network)"
        case .explain(let what), .explainAccount(let what): "explain \(what)"
        case .calls: "calls"
        case .endCall(let callID): "calls --end \(callID)"
        case .release(let account): "release \(account)"
        case .copyBindings: "backup"
        case .accounts: "accounts"
        case .account(let name): "accounts \(name)"
        }
    }
}
