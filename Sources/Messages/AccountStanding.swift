package import Sys
internal import Wire

/// What stands against an account, and where it was seen; directory stores it over restarts.
package struct AccountStanding: Equatable, Sendable {
    /// How many countries are kept of an account.
    package static let mostCountries = 8
    /// The longest reason and evidence, in bytes.
    package static let longestReason = 64, longestEvidence = 200

    /// The account's name, at most 64 bytes.
    package var account: String
    /// The countries it was seen in, two letters each, one behind the other.
    package var countries: String
    /// Until when it calls nobody abroad, since 1970; 0 when it may.
    package var heldUntil: Milliseconds
    /// Since when it is barred from calling, since 1970; 0 when it is not.
    package var barredSince: Milliseconds
    /// The reason code of the bar; empty without.
    package var reason: String
    /// What was seen, in words; empty without.
    package var evidence: String

    /// The standing of an account against which nothing stands, but for what is named.
    package init(
        account: String, countries: String = "", heldUntil: Milliseconds = Milliseconds(0),
        barredSince: Milliseconds = Milliseconds(0), reason: String = "", evidence: String = ""
    ) {
        self.account = account
        self.countries = countries
        self.heldUntil = heldUntil
        self.barredSince = barredSince
        self.reason = reason
        self.evidence = evidence
    }

    /// The same, with a country hold no longer from now on (since 1970) than one can be.
    package func bounded(at now: Milliseconds) -> AccountStanding {
        var standing = self
        standing.heldUntil = min(heldUntil, now + Bounds.longestHold)
        return standing
    }

    /// Whether it says nothing that has to be kept.
    package var isEmpty: Bool {
        countries.isEmpty && heldUntil.count == 0 && barredSince.count == 0
    }
}

extension AccountStanding {
    /// Writes the columns.
    func write(to writer: inout WireWriter) {
        writer.name(account)
        writer.string(Self.areCountries(countries) ? countries : "")
        writer.moment(heldUntil)
        writer.moment(barredSince)
        writer.string(reason, cutTo: Self.longestReason)
        writer.string(evidence, cutTo: Self.longestEvidence)
    }

    /// Reads the columns.
    init(from reader: inout WireReader) throws(WireError) {
        self.init(
            account: try reader.string("account", limit: Bounds.longestName),
            countries: try reader.string("countries", limit: 2 * Self.mostCountries),
            heldUntil: try reader.moment("heldUntil"),
            barredSince: try reader.moment("barredSince"),
            reason: try reader.string("reason", limit: Self.longestReason),
            evidence: try reader.string("evidence", limit: Self.longestEvidence))
        guard Self.areCountries(countries) else { throw .badValue("countries") }
    }

    /// Whether a text is of countries, no more than an account keeps.
    private static func areCountries(_ text: String) -> Bool {
        text.utf8.count <= 2 * mostCountries && Bounds.areCountries(text)
    }
}
