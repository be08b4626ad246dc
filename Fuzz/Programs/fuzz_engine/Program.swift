import BusFuzz
import BusFuzzEngine

// fuzz_engine TARGET [options and corpora of libFuzzer], whose main function comes with
// -sanitize=fuzzer and calls these two; Scripts/fuzz.sh builds and runs it.

@_cdecl("LLVMFuzzerInitialize")
func initialize(
  _ argc: UnsafeMutablePointer<Int32>,
  _ argv: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> Int32 {
  unsafe FuzzRun.prepare(EngineTargets.all, argc, argv)
}

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  unsafe FuzzRun.execute(bytes, count)
}
