/*
 * Takes the place of libtss2-tcti-device.so.0 in the stage: there /dev/tpm0 is a file that holds
 * "host=...,port=...", and "device:/dev/tpm0" reaches the software TPM behind that address.
 * Only programs of the stage see it.
 */
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tcti_swtpm.h>

static TSS2_RC init(TSS2_TCTI_CONTEXT *context, size_t *size, const char *device)
{
    char address[128] = "";
    FILE *file = fopen(device && *device ? device : "/dev/tpm0", "r");

    if (!file)
        return TSS2_TCTI_RC_IO_ERROR;
    if (!fgets(address, sizeof address, file)) {
        fclose(file);
        return TSS2_TCTI_RC_IO_ERROR;
    }
    fclose(file);
    address[strcspn(address, "\n")] = 0;
    return Tss2_Tcti_Swtpm_Init(context, size, address);
}

TSS2_RC Tss2_Tcti_Device_Init(TSS2_TCTI_CONTEXT *context, size_t *size, const char *device)
{
    return init(context, size, device);
}

static const TSS2_TCTI_INFO info = {
    2, "tcti-device", "stage: device file names a software TPM", "path of the device", init,
};

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
    return &info;
}
