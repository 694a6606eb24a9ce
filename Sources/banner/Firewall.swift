// What banner asks of the kernel's firewall, or of a test's.
internal import Messages
internal import Sys

/// A set of the edge's table, by its name there.
enum KernelSet: String, CaseIterable {
    /// Banned sources: IPv4 addresses, IPv6 /64s, with a timeout each.
    case banned4, banned6
    /// Banned neighbourhoods: IPv4 /24s, IPv6 /48s, with a timeout each.
    case wide4, wide6
    /// Sources with live registrations, with a timeout each.
    case protected4, protected6
    /// Networks that nothing of this table touches.
    case allowed4, allowed6
    /// Networks of the block lists.
    case blocked4, blocked6
    /// Networks that strangers may come from.
    case country4, country6
    /// Our endpoints on the outside.
    case outside4, outside6
    /// Addresses of the inside and our own, which no packet from outside may bear.
    case own4, own6

    /// The set that holds the ban of a source.
    static func bans(_ source: Network) -> KernelSet {
        switch (source.address.isV4, source.isWide) {
        case (true, false): .banned4
        case (false, false): .banned6
        case (true, true): .wide4
        case (false, true): .wide6
        }
    }

    /// The sets whose elements end by themselves.
    static let timed: [KernelSet] = [
        .banned4, .banned6, .wide4, .wide6, .protected4, .protected6,
    ]
    /// The sets of ranges.
    static let fixed: [KernelSet] = [
        .allowed4, .allowed6, .blocked4, .blocked6, .country4, .country6,
    ]
}

/// One step of a transaction; all of its steps come to be at once, or none does.
enum ElementChange: Equatable {
    /// The element is in the set for a span.
    case add(KernelSet, IPAddress, Milliseconds)
    /// The element goes; the transaction fails when it is not there.
    case delete(KernelSet, IPAddress)
    /// Everything in the set goes.
    case flush(KernelSet)
    /// The ranges are added to a set of ranges.
    case ranges(KernelSet, [AddressRange])
    /// The ranges go from a set of ranges, each as it was added; the transaction fails when one is not
    /// there.
    case removeRanges(KernelSet, [AddressRange])
}

/// What became of a wish that was carried out in parts.
enum Outcome {
    /// The kernel has it, but for these elements, and why it would not take the last of them.
    case done(leftOut: [ElementChange], why: String)
    /// The kernel does not take it; why.
    case failed(String)
}

/// What carries out banner's wishes.
protocol Firewall: AnyObject {
    /// The name of the table, of the family inet, that all wishes are about.
    var table: String { get }

    /// Runs nft(8)'s commands as one transaction; returns why they failed, or nil.
    func run(_ commands: String) -> String?

    /// Changes elements of the table's sets in one transaction; returns why that failed, or nil.
    func change(_ steps: [ElementChange]) -> String?

    /// The number of the ruleset, which each transaction of anybody raises by one; nil when unknown.
    func generation() -> UInt32?

    /// What the table is made of, as one number that only a change changes; nil when there is no
    /// such table.
    ///
    /// That is its chains, rules, sets and our endpoints.
    func fingerprint() -> Int?

    /// The elements of a set of ranges as `AddressRange.digest` tells them; nil when there is no such
    /// set.
    func digest(_ set: KernelSet) -> Int?

    /// The elements of a timed set, and how long each has left; nil when there is no such set.
    func elements(_ set: KernelSet) -> [IPAddress: Milliseconds]?

    /// Ends what conntrack knows of flows that these sources began.
    func endFlows(of sources: Set<Network>)
}

extension Firewall {
    /// Carries steps out as one transaction.
    ///
    /// When the kernel refuses that, it goes on in ever smaller ones. So no more is left out than
    /// the single elements which the kernel refuses to add.
    ///
    /// It fails when another step is refused, or more than `most` elements are.
    func changeInParts(_ steps: [ElementChange], leavingOut most: Int) -> Outcome {
        var leftOut: [ElementChange] = []
        var why = ""
        return change(steps[...], most, &leftOut, &why)
            ? .done(leftOut: leftOut, why: why) : .failed(why)
    }

    private func change(
        _ steps: ArraySlice<ElementChange>, _ most: Int, _ leftOut: inout [ElementChange],
        _ why: inout String
    ) -> Bool {
        guard let failure = change(Array(steps)) else { return true }
        guard steps.count <= 1 else {
            let middle = steps.startIndex + steps.count / 2
            return change(steps[..<middle], most, &leftOut, &why)
                && change(steps[middle...], most, &leftOut, &why)
        }
        why = failure
        guard case .add? = steps.first, leftOut.count < most else { return false }
        leftOut += steps
        return true
    }
}
