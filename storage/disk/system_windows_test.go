package disk

import "golang.org/x/sys/windows"

const errFullOfThisSystem = windows.ERROR_DISK_FULL
