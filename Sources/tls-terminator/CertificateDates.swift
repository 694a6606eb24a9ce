// What is said about the end of a certificate in use: from two weeks before it on, once a day.

internal import Journal
internal import Messages
internal import Sys

/// Whether a certificate in use is near its end or past it, and when that was said last.
struct CertificateDates {
    /// What there is to say; empty while the certificate has time.
    private(set) var words = ""
    private var nextLook = Milliseconds(0)
    private var nextRecord = Milliseconds(0)

    /// From when on its end is told.
    static let notice = Milliseconds.seconds(14 * 86_400)
    private static let day = Milliseconds.seconds(86_400)

    /// Looks once a minute; `uptime` never leaps, `now` is since 1970, `setting` names the file at `path`.
    mutating func look(
        at certificate: TLSContext, of path: String, setting: String, uptime: Milliseconds,
        now: Milliseconds, _ journal: Journal
    ) {
        guard uptime >= nextLook else { return }
        nextLook = uptime + .seconds(60)
        let left = certificate.left(at: now)
        let wait = certificate.wait(at: now)
        words = Self.words(certificate, path, left: left, wait: wait)
        guard !words.isEmpty, uptime >= nextRecord else { return }
        nextRecord = uptime + Self.day
        journal.write(
            .certificateEnds, .warning, words,
            [
                (.file, setting), (.seconds, "\(max(left, Milliseconds(0)).seconds)"),
            ])
    }

    private static func words(
        _ certificate: TLSContext, _ path: String, left: Milliseconds, wait: Milliseconds
    ) -> String {
        let name = "the certificate \(certificate.subject)"
        if wait > Milliseconds(0) {
            return
                "\(name) is not valid yet, but in \(days(wait)): phones may refuse it; look at this "
                + "machine's clock"
        }
        if left < Milliseconds(0) {
            return
                "\(name) ended \(days(Milliseconds(-left.count))) ago, on \(certificate.notAfter): "
                + "phones that check it do not connect; renew \(path)"
        }
        guard left <= notice else { return "" }
        return "\(name) ends in \(days(left)), on \(certificate.notAfter); renew \(path)"
    }

    /// "9 days", "1 day", "less than a day".
    private static func days(_ span: Milliseconds) -> String {
        switch span.seconds / 86_400 {
        case 0: "less than a day"
        case 1: "1 day"
        case let days: "\(days) days"
        }
    }
}
