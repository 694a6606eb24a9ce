import Digest
import SIP
import Sys
import Testing

/// The lower-case hexadecimal digits of a hash.
func hexadecimal(_ value: HashValue) -> String {
    var text = ByteBuffer(capacity: 64)
    for index in 0..<value.length { text.append(hex: value.bytes[index]) }
    return text.span.text
}

/// The hash of a text.
func hash(_ algorithm: DigestAlgorithm, _ text: String) -> HashValue {
    var engine = HashEngine()
    engine.begin(algorithm)
    engine.add(Array(text.utf8).span)
    return engine.finish()
}

@Suite struct HashTests {
    @Test(
        "the hashes are those of RFC 1321 and FIPS 180-4",
        arguments: [
            (DigestAlgorithm.md5, "", "d41d8cd98f00b204e9800998ecf8427e"),
            (.md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
            (.sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ])
    func vectors(_ algorithm: DigestAlgorithm, _ text: String, _ expected: String) {
        #expect(hexadecimal(hash(algorithm, text)) == expected)
    }

    @Test("a hash matches its own digits in either case, and nothing else")
    func matches() {
        let value = hash(.md5, "abc")
        let text = hexadecimal(value)
        func matches(_ text: String) -> Bool {
            value.matches(hex: Array(text.utf8).span, nibble: Characters.hex)
        }
        #expect(matches(text) && matches(text.uppercased()))
        for place in 0..<32 {
            var letters = Array(text)
            letters[place] = letters[place] == "0" ? "1" : "0"
            #expect(!matches(String(letters)))
        }
        #expect(!matches("") && !matches(text + "00") && !matches(String(text.dropLast()) + "g"))
    }
}
