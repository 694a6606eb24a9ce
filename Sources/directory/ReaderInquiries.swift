// What a person asks of accounts-reader, beside the look-ups: names, and how one is looked up.
internal import Messages
internal import Privsep
internal import Sys
internal import Wire

/// The questions of `rempart accounts` that are under way at accounts-reader.
///
/// They wait for no room and are not asked twice: who asked is a person, who can ask again.
final class ReaderInquiries {
    /// What is called with an answer.
    private enum Wanted {
        case steps(([TraceStep]) -> Void)
        case names(([String], _ isLast: Bool) -> Void)
    }

    private struct Inquiry {
        let asked: Milliseconds
        let wanted: Wanted
        let failed: (String) -> Void
    }

    /// How long one waits: as long as accounts-reader may be silent before it is replaced, since a slow source is no error.
    static let longest = AccountReader.longestSilence
    /// How many are under way at most.
    static let most = 16
    /// Why one has failed whose time is over.
    static let silence =
        "accounts-reader has not answered for \(longest.seconds) s: see whether the disk or server that has "
        + "the accounts does, and `rempart status`"

    private let link: PeerLink
    private var underWay: [UInt32: Inquiry] = [:]
    private var lastID: UInt32 = 0

    /// Inquiries over a link to accounts-reader.
    init(_ link: PeerLink) { self.link = link }

    /// Asks how a name is looked up; calls one of both once, in a later turn of the loop, or `failed` at once.
    func trace(
        _ name: String, now: Milliseconds, orElse failed: @escaping (String) -> Void,
        _ then: @escaping ([TraceStep]) -> Void
    ) {
        ask(.steps(then), now, failed) { .trace(id: $0, name: name) }
    }

    /// Asks for the names behind one, as `trace` does.
    func names(
        after name: String, now: Milliseconds, orElse failed: @escaping (String) -> Void,
        _ then: @escaping ([String], _ isLast: Bool) -> Void
    ) {
        ask(.names(then), now, failed) { .list(id: $0, after: name) }
    }

    private func ask(
        _ wanted: Wanted, _ now: Milliseconds, _ failed: @escaping (String) -> Void,
        _ question: (UInt32) -> DirectoryToReader
    ) {
        guard link.link != nil else {
            return failed("accounts-reader is not running: try again, and see `rempart status`")
        }
        guard underWay.count < Self.most else {
            return failed("\(Self.most) others ask about accounts now: try again")
        }
        lastID &+= 1
        underWay[lastID] = Inquiry(asked: now, wanted: wanted, failed: failed)
        link.send(question(lastID).encoded())
    }

    /// Takes the look-ups of a name; those that were given up say nothing more.
    func receive(_ id: UInt32, _ steps: [TraceStep]) throws(WireError) {
        guard let inquiry = try remove(id) else { return }
        guard case .steps(let then) = inquiry.wanted else {
            inquiry.failed(Self.silence)
            throw .badValue("trace")
        }
        then(steps)
    }

    /// Takes a page of names, as `receive` takes look-ups.
    func receive(_ id: UInt32, _ names: [String], isLast: Bool) throws(WireError) {
        guard let inquiry = try remove(id) else { return }
        guard case .names(let then) = inquiry.wanted else {
            inquiry.failed(Self.silence)
            throw .badValue("names")
        }
        then(names, isLast)
    }

    private func remove(_ id: UInt32) throws(WireError) -> Inquiry? {
        guard id > 0, id <= lastID else { throw .notPermitted }
        return underWay.removeValue(forKey: id)
    }

    /// A new link stands, and nobody answers what was asked over the one before.
    func relinked() {
        let lost = underWay.values
        underWay = [:]
        for inquiry in lost {
            inquiry.failed("accounts-reader was replaced before it had answered: try again")
        }
    }

    /// Gives up what has waited for too long.
    func giveUp(_ now: Milliseconds) {
        let late = underWay.filter { now - $0.value.asked >= Self.longest }
        for (id, inquiry) in late {
            underWay[id] = nil
            inquiry.failed(Self.silence)
        }
    }

    /// Whether accounts-reader owes an answer.
    var isUnderWay: Bool { !underWay.isEmpty }

    /// When the first is given up; nil while there is none.
    var deadline: Milliseconds? { underWay.values.map { $0.asked + Self.longest }.min() }
}
