import ArgumentParser
import BusBench
BenchCommand.main(Array(CommandLine.arguments.dropFirst(2)))
