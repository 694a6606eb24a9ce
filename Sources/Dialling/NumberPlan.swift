package import Messages
internal import SIP
internal import Sys

/// What a dialled number is.
package struct Dialled: BitwiseCopyable, Sendable {
    /// What it is to whoever pays for it.
    package enum Kind: UInt8, BitwiseCopyable, Sendable {
        /// Put through whatever else holds.
        case emergency
        /// An extension, a number of the own country, or of one that counts as such.
        case home
        /// A number of another country.
        case abroad
        /// A number that is never called.
        case never
    }

    /// What it is.
    package var kind: Kind
    /// The country of a number abroad; unknown when it is nobody's.
    package var country = Country.unknown
    /// A keyed hash of its digits, the same however it was dialled.
    package var mark: UInt64 = 0

    /// A number of a kind.
    package init(_ kind: Kind) { self.kind = kind }
}

/// How dialled numbers are read: what leads abroad, and what that may cost.
package struct NumberPlan: Sendable {
    /// The fewest digits of an international number, from its calling code on.
    private static let fewestDigits = 7
    /// The fewest behind 011 while nobody has said that it leads abroad: Sheffield and Turin have numbers
    /// that begin so.
    private static let fewestBehindGuess = 10
    /// The digits of a number of North America, with its 1.
    private static let northAmericanDigits = 11

    private struct Prefix {
        var digits: [UInt8]
        var fewest: Int
    }

    private var home: [Country] = []
    private var allowed: [Country] = []
    private var neverCountries: [Country] = []
    /// Digits from the calling code on.
    private var neverAbroad: [[UInt8]] = []
    /// Digits as they are dialled.
    private var neverAtHome: [[UInt8]] = []
    private var prefixes: [Prefix] = []
    private var outsideLine: [UInt8] = []
    private var emergency: [[UInt8]] = []
    private var isNorthAmerican = false

    /// The plan of these settings; what they leave out keeps its default.
    init(_ rules: [CallRule]) {
        var never: [String] = []
        var begins: [String] = []
        for rule in rules {
            switch rule {
            case .home(let code): home.append(Country(code))
            case .allowed(let code): allowed.append(Country(code))
            case .never(let text): never.append(text)
            case .prefix(let text): begins.append(text)
            case .outsideLine(let text): outsideLine = Array(text.utf8)
            case .emergency(let text): emergency.append(Array(text.utf8))
            // How much may be called is read by `CallRules`.
            case .atOnce, .perMinute, .abroadAtOnce, .abroadPerMinute, .hours, .newCountry,
                .tripNever, .tripAbroad:
                break
            }
        }
        isNorthAmerican = home.contains(where: CallingCodes.isNorthAmerican)
        if emergency.isEmpty { emergency = CallRule.standardEmergency.map { Array($0.utf8) } }
        readNever(never.isEmpty ? CallRule.standardNever : never)
        readPrefixes(begins)
    }

    private mutating func readNever(_ texts: [String]) {
        for text in texts {
            let digits = Array(text.utf8)
            if digits.first == UInt8(ascii: "+") {
                neverAbroad.append(Array(digits.dropFirst()))
            } else if digits.first.map({ $0 &- 0x30 <= 9 }) == true {
                neverAtHome.append(digits)
            } else {
                neverCountries.append(Country(text))
            }
        }
    }

    private mutating func readPrefixes(_ texts: [String]) {
        let isGuess = texts.isEmpty
        for text in isGuess ? CallRule.standardPrefixes : texts {
            let isDoubtful = isGuess && text == "011" && !isNorthAmerican
            prefixes.append(
                Prefix(
                    digits: Array(text.utf8),
                    fewest: isDoubtful ? Self.fewestBehindGuess : Self.fewestDigits))
        }
        prefixes.sort { $0.digits.count > $1.digits.count }
    }

    /// The number that an emergency service is called by which a phone names by its URN, as it is dialled.
    package var firstEmergency: [UInt8] { emergency.first ?? [] }

    /// Whether numbers of a country may be called at all.
    func allows(_ country: Country) -> Bool { allowed.isEmpty || allowed.contains(country) }

    // MARK: Reading

    /// The longest number that is looked at, in digits; no numbering plan has longer ones.
    private static let longest = 40

    /// What a dialled user part is.
    ///
    /// What a dialplan may strip is stripped: separators, and the service code before a number (`*31#`). Where
    /// that leaves several readings the worst counts.
    package func read(_ user: Span<UInt8>) -> Dialled {
        var digits = InlineArray<40, UInt8>(repeating: 0)
        guard let count = Self.normalise(user, into: &digits), count > 0 else {
            return Dialled(.home)
        }
        let all = digits.span.extracting(0..<count)
        if isEmergency(all) { return Dialled(.emergency) }
        var worst = number(all)
        guard Self.isServiceSign(all[0]) else { return worst }
        // The number may begin behind any sign, or behind the code of two or three digits after the first.
        for place in 1..<count where Self.isServiceSign(all[place - 1]) || place == 3 || place == 4
        {
            let reading = number(all.extracting(place..<count))
            if reading.kind.rawValue > worst.kind.rawValue { worst = reading }
        }
        return worst
    }

    private static func isServiceSign(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "*") || byte == UInt8(ascii: "#")
    }

    /// Writes the signs of a number without what separates them; nil when it is a name.
    private static func normalise(
        _ user: Span<UInt8>, into digits: inout InlineArray<40, UInt8>
    ) -> Int? {
        var count = 0
        var at = 0
        while at < user.count, count < longest {
            // The user of an Asterisk's Contact may be escaped, which stands for the number of an older call.
            let (byte, next) = user.unescaped(at: at)
            at = next
            switch byte {
            case 0x30...0x39, UInt8(ascii: "+"), UInt8(ascii: "*"), UInt8(ascii: "#"):
                digits[count] = byte
                count += 1
            case _ where Characters.isVisualSeparator(byte): break
            // A letter at the beginning makes a name; behind digits a provider may overlook it.
            default: if count == 0 { return nil }
            }
        }
        return count
    }

    private func isEmergency(_ digits: Span<UInt8>) -> Bool {
        let outside = outsideLine.count
        let hasLine = outside > 0 && Self.begins(digits, outsideLine)
        for place in emergency.indices {
            let number = emergency[place]
            if digits.equals(number.span) { return true }
            if hasLine, digits.extracting(outside..<digits.count).equals(number.span) {
                return true
            }
        }
        return false
    }

    private static func begins(_ digits: Span<UInt8>, _ prefix: [UInt8]) -> Bool {
        digits.count >= prefix.count && digits.extracting(0..<prefix.count).equals(prefix.span)
    }

    /// What digits are, up to the first sign that is none.
    private func number(_ text: Span<UInt8>) -> Dialled {
        var end = 0
        while end < text.count, !Self.isServiceSign(text[end]) { end += 1 }
        var start = 0
        if !outsideLine.isEmpty, Self.begins(text.extracting(0..<end), outsideLine) {
            start = outsideLine.count
        }
        let digits = text.extracting(start..<end)
        if let abroad = abroad(digits) { return abroad }
        for place in neverAtHome.indices where Self.begins(digits, neverAtHome[place]) {
            return marked(.never, digits)
        }
        return Dialled(.home)
    }

    /// An international number, or nil.
    private func abroad(_ digits: Span<UInt8>) -> Dialled? {
        for place in prefixes.indices where Self.begins(digits, prefixes[place].digits) {
            var start = prefixes[place].digits.count
            // 0 begins no calling code: somebody has dialled one too many, and a dialplan may forgive it.
            while start < digits.count, digits[start] == 0x30 { start += 1 }
            guard digits.count - start >= prefixes[place].fewest else { continue }
            return international(digits.extracting(start..<digits.count))
        }
        return isNorthAmerican ? northAmerican(digits) : nil
    }

    /// A number as it is dialled within North America, whose area code may be an island's; or nil.
    private func northAmerican(_ digits: Span<UInt8>) -> Dialled? {
        if digits.count == Self.northAmericanDigits, digits[0] == 0x31 {
            return international(digits)
        }
        guard digits.count == Self.northAmericanDigits - 1, digits[0] > 0x31, digits[3] > 0x31
        else { return nil }
        var whole = InlineArray<11, UInt8>(repeating: 0x31)
        for place in digits.indices { whole[place + 1] = digits[place] }
        return international(whole.span)
    }

    private func international(_ digits: Span<UInt8>) -> Dialled {
        for place in neverAbroad.indices where Self.begins(digits, neverAbroad[place]) {
            return marked(.never, digits)
        }
        let country = CallingCodes.country(digits)
        var kind = Dialled.Kind.abroad
        if country != .unknown {
            if neverCountries.contains(country) {
                kind = .never
            } else if home.contains(country) {
                kind = .home
            }
        }
        return marked(kind, digits, country)
    }

    private func marked(
        _ kind: Dialled.Kind, _ digits: Span<UInt8>, _ country: Country = .unknown
    ) -> Dialled {
        var dialled = Dialled(kind)
        dialled.country = country
        dialled.mark = NameTable.hash(digits)
        return dialled
    }
}
