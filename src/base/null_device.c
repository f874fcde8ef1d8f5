#include "base/null_device.h"

#include <fcntl.h>
#include <sys/mman.h>

int null_device_open(void)
{
    int descriptor = open("/dev/null", O_RDWR);
    return descriptor >= 0 ? descriptor : memfd_create("null", 0);
}
