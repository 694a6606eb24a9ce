// The certificates of the settings: what is served of each, and why its newest files are not in use.

internal import Journal
internal import Messages
internal import Sys

/// All certificates of the settings, in their order.
struct Certificates {
    /// One certificate of the settings.
    private struct Place {
        let paths: CertificatePaths
        /// The part of the settings that names its files.
        let group: String
        /// What is served; nil while no pair could be used.
        var served: TLSContext?
        /// Why the files that were handed over last are not in use; nil when they are.
        var refusal: CertificateRefusal?
        /// Whether the files that were handed over last are in use.
        var isNewest = false
        var dates = CertificateDates()
    }

    private var places: [Place] = []
    /// What handshakes choose among; without it every connection is closed at once.
    private(set) var served: ServedCertificates?

    /// None.
    init() {}

    /// Which certificates are served by the files that were handed over last, a bit for each.
    var inUse: UInt32 {
        places.enumerated().reduce(0) { $1.element.isNewest ? $0 | 1 << UInt32($1.offset) : $0 }
    }

    /// Takes the certificates of a start or a reload; why files are not used, one text for each certificate.
    ///
    /// One that cannot be used changes nothing: the one of before stays, if there was one.
    mutating func take(
        _ paths: [CertificatePaths], _ files: [Int: [FileKind: Descriptor]], at now: Milliseconds,
        _ journal: Journal
    ) -> [String] {
        let old = places
        let predecessors = CertificatePaths.predecessors(of: paths, in: old.map(\.paths))
        places = paths.enumerated().map { place, one in
            var new = Place(paths: one, group: CertificatePaths.group(place, of: paths.count))
            if let before = predecessors[place].map({ old[$0] }) {
                (new.served, new.dates) = (before.served, before.dates)
            }
            return new
        }
        let unused = places.indices.compactMap { place in
            attempt(place, files[place] ?? [:], at: now, journal)
        }
        makeServed()
        return unused
    }

    /// Takes the files of a certificate that was renewed.
    mutating func renew(
        _ place: Int, _ files: [FileKind: Descriptor], at now: Milliseconds, _ journal: Journal
    ) {
        guard places.indices.contains(place) else { return }
        // A descriptor was lost on its way, or both: the supervisor tries again.
        guard files.count == 2 else { return places[place].isNewest = false }
        _ = attempt(place, files, at: now, journal, isQuiet: true)
        makeServed()
    }

    /// Tries the files of a certificate; why they are not used, if so.
    ///
    /// `isQuiet` leaves out what was said before.
    private mutating func attempt(
        _ place: Int, _ files: [FileKind: Descriptor], at now: Milliseconds, _ journal: Journal,
        isQuiet: Bool = false
    ) -> String? {
        let before = places[place].served
        do throws(CertificateRefusal) {
            let identity = try Identity(files, at: now)
            places[place].refusal = nil
            places[place].isNewest = true
            if let before, before.identities[0].isSame(as: identity) { return nil }
            let context = try TLSContext(identity)
            places[place].served = context
            places[place].dates = CertificateDates()
            record(context, of: places[place], journal)
            return nil
        } catch {
            var refusal = error
            refusal.group = places[place].group
            let isNews = places[place].refusal != refusal
            places[place].refusal = refusal
            places[place].isNewest = false
            if isNews || !isQuiet {
                journal.write(
                    .certificateRefused, .error, "\(refusal)", [(.file, refusal.setting)])
            }
            let rest =
                before.map { "the certificate of before stays in use, valid until \($0.notAfter)" }
                ?? (places.contains { $0.served != nil }
                    ? "the other certificates are served" : "TLS connections are refused")
            return "\(refusal); \(rest)"
        }
    }

    private func record(_ context: TLSContext, of place: Place, _ journal: Journal) {
        let setting = "\(place.group).certificate"
        journal.write(
            .certificateLoaded, .notice,
            "certificate \(context.subject), \(context.chainLength) in the chain, "
                + "valid until \(context.notAfter), of \(place.paths.certificate)",
            [(.file, setting)])
        for warning in context.warnings {
            journal.write(
                .certificateEnds, .warning, "\(setting): \(warning)", [(.file, setting)])
        }
    }

    /// Has the next handshakes choose among what is served now.
    private mutating func makeServed() {
        let all = places.compactMap(\.served)
        if let served, served.holds(all) { return }
        guard !all.isEmpty else { return served = nil }
        // Each of them was taken by a context before; without memory for another one the set of before stays.
        if let made = try? ServedCertificates(all, after: served) { served = made }
    }

    /// Looks whether a certificate is near its end; `uptime` never leaps, `now` is since 1970.
    mutating func look(uptime: Milliseconds, now: Milliseconds, _ journal: Journal) {
        for index in places.indices {
            guard let served = places[index].served else { continue }
            places[index].dates.look(
                at: served, of: places[index].paths.certificate,
                setting: "\(places[index].group).certificate", uptime: uptime, now: now, journal)
        }
    }

    /// What is wrong with certificates now, beside what the supervisor says of files that it could not open.
    var conditions: [Condition] {
        var words: [String] = []
        for place in places {
            guard let refusal = place.refusal, !refusal.isMissing else { continue }
            if served == nil {
                words.append("TLS connections are refused: \(refusal); correct it")
            } else if place.served == nil {
                words.append("a certificate is not served: \(refusal); correct it")
            } else {
                words.append("the new certificate is not used, the one of before stays: \(refusal)")
            }
        }
        words += places.map(\.dates.words).filter { !$0.isEmpty }
        return words.map { Condition(.certificate, $0, recorded: .both) }
    }

    /// What `rempart status` shows; `now` is since 1970.
    func rows(at now: Milliseconds) -> [ControlReply] {
        places.map { place in
            .certificate(
                CertificateRow(
                    names: place.served?.certificate.names ?? [], file: place.paths.certificate,
                    key: place.served?.certificate.keyWords ?? "",
                    until: place.served.map { now + $0.left(at: now) } ?? Milliseconds(0),
                    unused: place.refusal.map { "\($0)" } ?? ""))
        }
    }
}
