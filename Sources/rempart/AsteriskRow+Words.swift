// What a row of an Asterisk says, in words.
internal import Messages
internal import Sys

extension AsteriskRow.State {
    /// The state in a few words.
    var words: String {
        switch self {
        case .unknown: "not heard yet"
        case .passedOver: "passed over"
        case .up, .down, .overloaded: name
        }
    }
}

extension AsteriskRow {
    /// The Asterisk as a JSON object; without an answered question it has no round trip.
    var json: JSON {
        var members: [JSON.Member] = [
            .init("address", .string(address.description)), .init("state", .string(state.name)),
            .init("since", .number(since.seconds)),
        ]
        if let roundTrip {
            members.append(.init("roundTripMicroseconds", .number(Int64(roundTrip))))
        }
        members += [
            .init("registered", .number(Int64(registered))),
            .init("accounts", .number(Int64(accounts))),
        ]
        return .object(members)
    }

    /// Asterisks as a table, moments told from `now`, since 1970.
    static func text(_ rows: [AsteriskRow], now: Milliseconds) -> String {
        var table = Table("ASTERISK", "STATE", "SINCE", "ROUND TRIP", "REGISTERED")
        for row in rows {
            // What was true before it fell silent says nothing now.
            let isDown = row.state == .down
            table.add(
                row.address.description, row.state.words, "\((now - row.since).spoken) ago",
                isDown ? "-" : row.roundTrip?.inMilliseconds ?? "",
                isDown ? "-" : "\(row.registered) of \(row.accounts)")
        }
        return table.text
    }
}

extension UInt32 {
    /// So many microseconds as milliseconds with one decimal.
    var inMilliseconds: String {
        let tenths = (UInt64(self) + 50) / 100
        return "\(tenths / 10).\(tenths % 10) ms"
    }
}
