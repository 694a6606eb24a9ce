// Fuzzes the reader of Asterisk's configuration files; see scripts/fuzz.sh.
internal import FuzzProperties

@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> Int32 {
    Properties.run(data, size, Properties.asterisk)
}
