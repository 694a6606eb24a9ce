package import ProxyBench
package import SIP
package import SIPWriting
internal import Sys

/// Who stands as the caller in a trunk's request as it goes to an Asterisk.
extension Trunks {
    /// What stands for a caller who is not named (RFC 3323 section 4.1.1.3).
    private static let anonymous = Array("anonymous".utf8)

    /// Who stands for a caller of whom nobody is asked, as inside a dialog: a number stays, since nothing else can be
    /// compared with account names as every Asterisk does, which does not look at the case.
    package static func writtenCaller(_ user: UserPart) -> WrittenCaller {
        let name = user.span
        guard user.isDialable, !name.isCaseless("anonymous") else { return .anonymous }
        for place in name.indices {
            if Characters.lower(name[place]) &- 0x61 < 26 || name[place] == UInt8(ascii: "_") {
                return .trunk
            }
        }
        return .asWritten
    }

    /// The name of which directory has to say that no account has it, so that the written caller may stand; nil when
    /// another stands for it anyhow.
    package static func askedName(_ user: UserPart, _ written: WrittenCaller) -> UserPart? {
        switch written {
        case .trunk, .account, .hiddenAccount, .shown: nil
        case .anonymous: UserPart(anonymous.span)
        case .asWritten: user
        }
    }

    /// Who stands for a caller in a request that begins something: nobody instead of a trunk that has the name of an
    /// account.
    package func caller(_ caller: WrittenCaller, of trunk: TrunkID) -> WrittenCaller {
        caller == .trunk && trunks[trunk.index].isAccountName ? .anonymous : caller
    }
}
