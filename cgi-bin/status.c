#include "endpoint.h"

int main(void)
{
    return endpoint_status_main();
}
