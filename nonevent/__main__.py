from nonevent.cli import main

main()
