from skidbladnir_conformance.cli import main

main()
