#include "endpoint.h"

int main(void)
{
    return endpoint_main(&vendor_ces);
}
